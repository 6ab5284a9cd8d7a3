// What sounds. Two ways with one surface: play(at), pause(), now(), hear(i), gains(list).
//
// BufferSound: short sounds, decoded onto one common time axis and started on one clock, so that a
// switch is a cross-over of gains: gapless, at the same sample. ElementSound: long sounds and other
// speeds, streamed by media elements that run side by side; a switch is a cross-over too, at a
// position equal to some ms.

const DECODED_S = 60;  // longer sounds are streamed
const CROSS_S = 0.004;  // of a switch
const LEAD_S = 0.03;  // from the call to the first sample
const ALONE = "phonoscope-player-sounds";  // said by the player that starts; the others stop

const fromDb = (db) => 10 ** (db / 20);

function newContext(sr) {
  const Context = window.AudioContext || window.webkitAudioContext;
  try {
    return new Context({ sampleRate: sr });  // the sound's own rate: its samples as they are
  } catch {
    return new Context();
  }
}

function chain(context, count) {
  const master = context.createGain();
  master.connect(context.destination);
  const gains = Array.from({ length: count }, () => context.createGain());
  gains.forEach((gain) => { gain.gain.value = 0; gain.connect(master); });
  return { master, gains };
}

function crossOver(context, gains, levels) {
  const now = context.currentTime;
  gains.forEach((node, i) => {
    const from = node.gain.value;
    node.gain.cancelScheduledValues(now);
    node.gain.setValueAtTime(from, now);
    node.gain.linearRampToValueAtTime(levels[i], now + CROSS_S);
  });
}

class BufferSound {
  constructor(context, buffers) {
    this.context = context;
    this.buffers = buffers;
    this.length = buffers[0].duration;
    Object.assign(this, chain(context, buffers.length));
    this.levels = buffers.map(() => 0);
    this.sources = [];
    this.playing = false;
    this.at = 0;
  }

  static async decoded(context, tracks, length) {
    const buffers = await Promise.all(tracks.map(async (track) => {
      const answer = await fetch(track.url);
      if (!answer.ok) throw new Error(`${answer.status}`);
      const own = await context.decodeAudioData(await answer.arrayBuffer());
      const whole = context.createBuffer(1, Math.max(1, Math.round(length * own.sampleRate)), own.sampleRate);
      whole.copyToChannel(own.getChannelData(0), 0, Math.round(track.offset / track.sr * own.sampleRate));
      return whole;
    }));
    return new BufferSound(context, buffers);
  }

  setLevels(levels) {
    this.levels = levels;
    crossOver(this.context, this.gains, levels);
  }

  play(at, loop) {
    this.silence();
    this.loop = loop;
    this.begun = this.context.currentTime + LEAD_S;
    this.at = loop && (at < loop[0] || at >= loop[1]) ? loop[0] : at;
    this.playing = true;
    this.sources = this.buffers.map((buffer, i) => {
      const source = this.context.createBufferSource();
      source.buffer = buffer;
      if (loop) Object.assign(source, { loop: true, loopStart: loop[0], loopEnd: loop[1] });
      source.connect(this.gains[i]);
      source.start(this.begun, this.at);
      return source;
    });
  }

  silence() {
    for (const source of this.sources) {
      source.stop();
      source.disconnect();
    }
    this.sources = [];
  }

  pause() {
    this.at = this.now();
    this.playing = false;
    this.silence();
  }

  now() {
    if (!this.playing) return this.at;
    const heard = this.context.currentTime - this.begun - (this.context.outputLatency || 0);
    let t = this.at + Math.max(0, heard);
    if (this.loop && t >= this.loop[1]) t = this.loop[0] + (t - this.loop[0]) % (this.loop[1] - this.loop[0]);
    return Math.min(t, this.length);
  }

  close() {
    this.silence();
    this.playing = false;
  }
}

class ElementSound {
  constructor(context, tracks, length, rate, failed) {
    Object.assign(this, { context, length, rate });
    Object.assign(this, chain(context, tracks.length));
    this.starts = tracks.map((track) => track.offset / track.sr);
    this.elements = tracks.map((track, i) => {
      const element = new Audio();
      element.preload = "auto";
      element.src = track.url;
      for (const name of ["preservesPitch", "webkitPreservesPitch", "mozPreservesPitch"]) {
        if (name in element) element[name] = true;
      }
      element.playbackRate = element.defaultPlaybackRate = rate;
      element.onerror = () => { if (element.getAttribute("src")) failed(); };
      context.createMediaElementSource(element).connect(this.gains[i]);
      return element;
    });
    this.levels = tracks.map(() => 0);
    this.playing = false;
    this.at = 0;
  }

  lead() {
    return Math.max(0, this.levels.findIndex((level) => level > 0));
  }

  setLevels(levels) {
    this.levels = levels;
    const lead = this.lead();
    if (this.playing) this.together(this.elements[lead], lead);
    crossOver(this.context, this.gains, levels);
  }

  // An element that is not heard may be moved without anybody noticing.
  together(element, i) {
    const wanted = this.now() - this.starts[i];
    const inside = wanted >= 0 && wanted < (element.duration || Infinity);
    if (!inside) element.pause();
    else if (element.paused) this.begin(element, wanted);
    else if (Math.abs(element.currentTime - wanted) > 0.03) element.currentTime = wanted;
  }

  // Before any data this sets where it will start. A play that is refused is tried again by keep().
  begin(element, at) {
    element.currentTime = at;
    element.play().catch(() => element.pause());
  }

  play(at, loop) {
    this.loop = loop;
    this.at = loop && (at < loop[0] || at >= loop[1]) ? loop[0] : at;
    this.playing = true;
    this.from = this.context.currentTime;
    this.elements.forEach((element, i) => {
      const own = this.at - this.starts[i];
      if (own >= 0 && own < (element.duration || Infinity)) this.begin(element, own);
      else element.pause();
    });
    clearInterval(this.timer);
    this.timer = setInterval(() => this.keep(), 25);
  }

  keep() {
    if (this.loop && this.now() >= this.loop[1]) this.play(this.loop[0], this.loop);
    const lead = this.lead();
    this.elements.forEach((element, i) => { if (i !== lead) this.together(element, i); });
    if (this.elements[lead].paused) this.together(this.elements[lead], lead);
  }

  now() {
    if (!this.playing) return this.at;
    const lead = this.lead(), element = this.elements[lead];
    if (!element.paused) return Math.min(this.length, element.currentTime + this.starts[lead]);
    return Math.min(this.length, this.at + (this.context.currentTime - this.from) * this.rate);
  }

  pause() {
    this.at = this.now();
    this.playing = false;
    clearInterval(this.timer);
    this.elements.forEach((element) => element.pause());
  }

  close() {
    this.playing = false;
    clearInterval(this.timer);
    for (const element of this.elements) {
      element.pause();
      element.removeAttribute("src");
      element.load();
    }
  }
}
