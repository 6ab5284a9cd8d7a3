// The recorder: off -> opening -> open -> quiet -> recording -> review -> sending -> off.
// Streamlit calls the default function again after each run; the one on the same element goes on.

const RECORDERS = new WeakMap();
const LOWEST = -60, HOLD_S = 1.5, FALL = 20;  // dBFS; s of the peak hold, and dB/s after it
const LEAD_S = 0.5;  // after the click, before the quiet second: the sound of the key itself
const PARTS = ["recorder", "main", "keep", "discard", "clock", "devices", "channels", "levels", "meter", "fill", "hold", "peak",
  "lamp", "quiet", "count", "listen", "gave", "floor", "said", "refused"];
const MAIN = { off: "Turn on the microphone", opening: "Opening…", open: "Record", quiet: "Stop", recording: "Stop" };

class Recorder {
  capture = capture;

  constructor(root) {
    this.el = Object.fromEntries(PARTS.map((name) => [name, root.querySelector(`.${name}`)]));
    this.choices = root.querySelectorAll(".choice");
    this.progress = root.querySelector("progress");
    this.turn = 0;  // of opening: what was asked for before the last change is let go
    this.el.recorder.recorder = this;  // for tests and for the curious
    this.el.main.onclick = () => this.act();
    this.el.keep.onclick = () => this.keep();
    this.el.discard.onclick = () => this.discard();
    this.el.devices.onchange = this.el.channels.onchange = () => this.open();
    this.plugged = () => this.listDevices();
    if (navigator.mediaDevices) navigator.mediaDevices.addEventListener("devicechange", this.plugged);
    this.show("off");
  }

  load(data) {
    const arrived = this.data && this.data.url !== data.url;
    this.data = data;
    if (arrived && this.state === "sending") {
      this.forget("off");
      this.say("Taken over.");
    } else this.show(this.state);
  }

  act() {
    if (this.state === "off") return this.open();
    if (this.state === "open") return this.start();
    if (this.state === "opening") return undefined;
    return this.state === "quiet" ? this.cancel() : this.stop();
  }

  // --- the microphone

  async open() {
    const turn = ++this.turn, { devices, channels } = this.el;
    this.release();
    this.refuse("");
    this.say("");
    this.show("opening");
    try {
      if (!window.isSecureContext) throw new Error(INSECURE);
      if (!navigator.mediaDevices || !window.AudioContext && !window.webkitAudioContext) throw new Error(OLD);
      const stream = await navigator.mediaDevices.getUserMedia({ video: false, audio: {
        echoCancellation: false, noiseSuppression: false, autoGainControl: false, voiceIsolation: false,
        channelCount: { ideal: Number(channels.value) }, ...(devices.value && { deviceId: { exact: devices.value } }),
      } });
      if (turn !== this.turn) return stream.getTracks().forEach((track) => track.stop());
      await this.listen(stream);
      if (turn === this.turn) await this.listDevices();
    } catch (err) {
      if (turn === this.turn) this.fail(err.name === "Error" ? err.message : refusal(err));
    }
  }

  async listen(stream) {
    const track = stream.getAudioTracks()[0], settings = track.getSettings(), turn = this.turn;
    const context = newContext(settings.sampleRate);
    Object.assign(this, { stream, context, settings, sr: context.sampleRate, held: LOWEST, heldAt: 0 });
    this.count = Math.min(settings.channelCount || 1, Number(this.el.channels.value));
    track.onended = () => this.lost();
    let source;
    try {
      source = context.createMediaStreamSource(stream);
    } catch {  // a rate of its own does not fit this browser
      context.close();
      this.context = newContext(0);
      this.sr = this.context.sampleRate;
      source = this.context.createMediaStreamSource(stream);
    }
    await this.context.resume();
    await this.capture(this.context, source, this.count, (block) => { if (turn === this.turn) this.hear(block); });
    if (turn === this.turn) this.show("open");
  }

  async listDevices() {
    if (!this.stream) return;
    const found = (await navigator.mediaDevices.enumerateDevices()).filter(({ kind }) => kind === "audioinput");
    const { devices } = this.el, used = this.settings.deviceId;
    devices.replaceChildren(...found.map(({ deviceId, label }, i) => new Option(label || `Microphone ${i + 1}`, deviceId)));
    devices.value = found.some(({ deviceId }) => deviceId === used) ? used : "";
  }

  release() {
    if (this.stream) {
      this.stream.getTracks().forEach((track) => { track.onended = null; track.stop(); });
      this.context.close();
    }
    this.stream = this.context = null;
  }

  lost() {
    this.turn++;
    this.release();
    if (this.state === "recording" && this.tape.n) {
      this.review();
      return this.refuse("The microphone was disconnected: what was recorded until then is kept here.");
    }
    return this.fail("The microphone was disconnected: connect it and turn it on again.");
  }

  fail(text) {
    this.release();
    this.el.devices.replaceChildren();  // the one chosen may be gone: the next is the browser's choice
    this.show("off");
    this.refuse(text);
  }

  refuse(text) {
    this.el.refused.textContent = text;
    this.el.refused.hidden = !text;
  }

  // --- samples

  hear(block) {
    const n = block[0].length;
    this.drawLevel(block);
    if (this.state === "quiet") {
      this.waited += n / this.sr;
      if (this.waited > LEAD_S) this.level.add(block);
      const left = Math.max(0, LEAD_S + this.data.quiet_s - this.waited);
      this.el.count.textContent = `Stay quiet: ${left.toFixed(1)} s`;
      this.progress.value = 1 - left / (LEAD_S + this.data.quiet_s);
      if (this.level.n >= this.data.quiet_s * this.sr) this.record();
    } else if (this.state === "recording") {
      const room = this.tape.add(block, this.room());
      this.showClock();
      if (!room) this.stop("The longest recording is made.");
    }
  }

  room() {
    return Math.floor(Math.min(this.data.max_s * this.sr, this.data.max_samples / this.count));
  }

  start() {
    Object.assign(this, { waited: 0, level: new Level(this.count), floor: null });
    this.lamp(0);
    this.show("quiet");
    this.say("Stay quiet for a moment: the noise of the room is measured.");
  }

  cancel() {
    this.show("open");
    this.say("Stopped before the recording began.");
  }

  record() {
    this.floor = this.level.db;
    this.tape = new Tape(this.count, this.sr);
    this.show("recording");
    this.say("Recording: speak now.");
  }

  stop(why) {
    if (!this.tape.n) return this.cancel();
    this.review();
    return this.say(`${why || ""} Recorded ${this.tape.seconds.toFixed(1)} s${this.clippedSaid()}`.trim());
  }

  clippedSaid() {
    const { clipped, peak } = this.tape;
    if (clipped) return `. ${thousands(clipped)} samples are clipped: move away or turn the input down, and record again.`;
    return `, peak ${decibels(20 * Math.log10(peak), 1)}.`;
  }

  review() {
    this.wav = this.tape.wav();
    this.el.listen.src = this.url = URL.createObjectURL(this.wav);
    this.show("review");
  }

  discard() {
    this.forget(this.stream ? "open" : "off");
    this.say("Discarded.");
  }

  forget(state) {
    this.el.listen.removeAttribute("src");
    URL.revokeObjectURL(this.url);
    Object.assign(this, { tape: null, wav: null, url: null, floor: null });
    if (state === "off") {
      this.turn++;
      this.release();
    }
    this.refuse("");
    this.show(state);
  }

  async keep() {
    if (this.state !== "review") return undefined;
    this.show("sending");
    this.say("Sending…");
    const body = new FormData(), token = document.cookie.match(/(?:^|; )_streamlit_xsrf=([^;]*)/);
    body.append("file", this.wav, "recording.wav");
    try {
      const headers = token ? { "X-Xsrftoken": decodeURIComponent(token[1]) } : {};
      const answer = await fetch(this.data.url, { method: "PUT", body, headers });
      if (!answer.ok) throw new Error(answer.status);
    } catch {
      this.show("review");
      return this.refuse("The recording could not be sent: check the connection and press Keep again.");
    }
    const { deviceId, groupId, ...settings } = this.settings;  // these would tell one visitor from another
    const floor = Number.isFinite(this.floor) ? this.floor : null;
    return this.api.setTriggerValue("sent", { settings, sr: this.sr, floor_db: floor });
  }

  // --- what is shown

  show(state) {
    this.state = state;
    const { el } = this, live = ["open", "quiet", "recording"].includes(state), had = el.recorder.getRootNode().activeElement;
    el.recorder.dataset.state = state;
    el.main.hidden = state === "review" || state === "sending";
    el.main.textContent = MAIN[state] || "";
    el.main.setAttribute("aria-disabled", state === "opening");  // disabled, it would lose the focus
    el.main.classList.toggle("on", state === "recording" || state === "quiet");
    el.main.classList.toggle("ready", state === "open");
    el.keep.hidden = el.discard.hidden = state !== "review" && state !== "sending";
    el.keep.setAttribute("aria-disabled", state === "sending");
    el.discard.disabled = state === "sending";
    const again = state === "opening" && el.devices.options.length;
    this.choices.forEach((choice) => { choice.hidden = !live && !again; });
    el.devices.disabled = el.channels.disabled = state === "quiet" || state === "recording";
    el.levels.hidden = !live;
    el.quiet.hidden = state !== "quiet";
    el.listen.hidden = state !== "review" && state !== "sending";
    this.showClock();
    this.showGave();
    this.showFloor();
    if (el.recorder.contains(had) && had.hidden) (el.main.hidden ? el.keep : el.main).focus();
  }

  showClock() {
    const { el, tape } = this, there = this.data && ["open", "recording", "review"].includes(this.state);
    const limit = there ? clockText(this.room() / this.sr) : "";
    if (!there) el.clock.textContent = "";
    else if (this.state === "open") el.clock.textContent = `up to ${limit} min`;
    else el.clock.textContent = this.state === "review" ? `${tape.seconds.toFixed(1)} s` : `${clockText(tape.seconds)} of ${limit}`;
  }

  showGave() {
    const { el } = this, there = this.settings && !["off", "opening"].includes(this.state);
    el.gave.hidden = !there;
    if (!there) return;
    const [text, warned] = gave(this.data, this.settings, this.sr);
    const more = this.count > 1 ? " 2 channels." : "";
    el.gave.textContent = text + more;
    el.gave.classList.toggle("warned", warned);
  }

  showFloor() {
    const { el, floor } = this, there = ["recording", "review"].includes(this.state) && floor !== null;
    el.floor.hidden = !there;
    if (!there) return;
    const dead = !Number.isFinite(floor), loud = floor > this.data.loud_db;
    el.floor.textContent = `Noise floor ${decibels(floor, 1)}.`;
    if (dead) el.floor.textContent = "The microphone gave nothing but zeros: is it muted?";
    if (loud) el.floor.textContent += " That is loud: find a quieter place, or come closer to the microphone.";
    el.floor.classList.toggle("warned", dead || loud);
  }

  drawLevel(block) {
    let peak = 0, clipped = 0;
    for (const values of block) {
      for (const v of values) {
        const size = Math.abs(v);
        if (size > peak) peak = size;
        if (size >= CLIPPED) clipped++;
      }
    }
    const { el } = this, now = this.context ? this.context.currentTime : 0;
    const db = Math.max(LOWEST, 20 * Math.log10(peak)), place = (level) => Math.min(1, 1 - level / LOWEST);
    if (db >= this.held) Object.assign(this, { held: db, heldAt: now });
    else if (now > this.heldAt + HOLD_S) this.held = Math.max(db, this.held - FALL * block[0].length / this.sr);
    el.fill.style.transform = `scaleX(${place(db)})`;
    el.hold.style.left = `${100 * place(this.held)}%`;
    el.peak.textContent = this.held > LOWEST ? decibels(this.held) : "silence";
    if (now - (this.toldAt || 0) > 0.5 || now < this.toldAt) {  // seldom: it is read aloud
      el.meter.setAttribute("aria-valuenow", this.held.toFixed(0));
      el.meter.setAttribute("aria-valuetext", el.peak.textContent);
      this.toldAt = now;
    }
    if (clipped) this.lamp((this.clipped || 0) + clipped);
  }

  lamp(clipped) {
    this.clipped = clipped;
    this.el.lamp.classList.toggle("on", clipped > 0);
    this.el.lamp.textContent = clipped ? "Clipped" : "Clip";
  }

  say(text) {
    this.el.said.textContent = text;
  }

  close() {
    this.turn++;
    this.release();
    URL.revokeObjectURL(this.url);
    if (navigator.mediaDevices) navigator.mediaDevices.removeEventListener("devicechange", this.plugged);
  }
}

export default function (component) {
  const { parentElement: root, data } = component;
  if (!RECORDERS.has(root)) RECORDERS.set(root, new Recorder(root));
  const recorder = RECORDERS.get(root);
  recorder.api = component;
  recorder.load(data);
  return () => {
    recorder.close();
    RECORDERS.delete(root);
  };
}
