// One player: its state, and what happens to it. Streamlit calls the default function again after
// each run; the player on the same element takes the new message and goes on.

const PLAYERS = new WeakMap();
const LEAST_SAMPLES = 16, LEAST_FOLLOWED_S = 0.25;  // across the view; the cursor of a shorter one only flashes by
const PARTS = ["player", "play", "clock", "names", "match", "loop", "speed", "volume", "blind", "help-button", "ballot",
  "stage", "picture", "region", "cursor", "pointer", "zoom-in", "zoom-out", "whole", "to-selection", "axis", "map", "low", "high",
  "range", "kinds", "measures", "spectrum", "help", "said"];

class Player {
  constructor(root) {
    this.el = Object.fromEntries(PARTS.map((name) => [name, root.querySelector(`.${name}`)]));
    this.root = root;
    this.drawing = new Drawing(this.el.picture, this.el.player);
    Object.assign(this, { at: 0, chosen: 0, volume: 1, rate: 1, match: true, loop: false, selection: null, blind: null });
    Object.assign(this, { playing: false, turn: 0, kinds: new Map(), axis: "mel", map: "magma", shownAt: 0 });
    this.el.player.player = this;  // for tests and for the curious
    this.bind();
    this.bindStage();
    this.alone = (event) => { if (event.detail !== this) this.pause(); };
    this.native = () => this.pause();
    this.outside = (event) => { if (!event.composedPath().includes(this.el.stage)) this.scrolled = event.timeStamp; };
    window.addEventListener(ALONE, this.alone);
    window.addEventListener("wheel", this.outside, { capture: true, passive: true });
    document.addEventListener("play", this.native, true);
    (this.resized = new ResizeObserver(() => this.invalidate())).observe(this.el.stage);
  }

  bind() {
    const { el } = this;
    el.player.onkeydown = (event) => onKey(this, event);
    el.play.onclick = () => this.toggle();
    el.match.onclick = () => this.setMatch(!this.match);
    el.loop.onclick = () => this.setLoop(!this.loop);
    el.speed.onchange = () => this.setRate(Number(el.speed.value));
    el.volume.oninput = () => this.setVolume(el.volume.value / 100);
    el.blind.onchange = () => this.setBlind(el.blind.value);
    el["help-button"].onclick = () => this.toggleHelp();
    el["zoom-in"].onclick = () => this.zoom(0.5);
    el["zoom-out"].onclick = () => this.zoom(2);
    el.whole.onclick = () => this.setView(0, this.end);
    el["to-selection"].onclick = () => this.toSelection();
    el.axis.onchange = () => { this.axis = el.axis.value; this.invalidate(); };
    el.map.onchange = () => { this.map = el.map.value; this.recolour(); };
    el.low.oninput = el.high.oninput = () => { this.ranged = true; this.recolour(); };
    showHelp(this);
  }

  bindStage() {
    const { stage } = this.el;
    stage.onpointerdown = (event) => this.down(event);
    stage.onpointermove = (event) => this.move(event);
    stage.onpointerup = (event) => this.up(event);
    stage.onpointercancel = () => { this.drag = null; };
    stage.onpointerleave = () => { this.el.pointer.textContent = ""; };
    stage.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
  }

  // --- the message

  load(bytes) {
    const head = unpack(bytes);
    if (this.head && head.id === this.head.id) {
      this.invalidate();  // the theme may have changed
      return;
    }
    const end = Math.max(...head.tracks.map((track) => track.end));
    const same = this.head && Math.abs(end - this.end) < 0.001;
    const goOn = this.playing;
    this.stopSound();
    if (this.fetcher) this.fetcher.close();
    for (const track of this.head ? head.tracks : []) {
      const had = this.head.tracks.find(({ url, n }) => url === track.url && n === track.n);
      if (had && track.picture && had.picture) track.picture.values = had.picture.values;
    }
    const failed = () => this.say("A sharper view could not be loaded: run the page again.");
    Object.assign(this, { head, end, fetcher: new Fetcher(head, () => this.invalidate(), failed) });
    this.chosen = Math.min(this.chosen, head.tracks.length - 1);
    this.top = Math.max(...head.tracks.map((track) => track.sr)) / 2;
    this.amplitude = Math.max(0.001, ...head.tracks.map(peakOf));
    if (!same) Object.assign(this, { at: 0, t0: 0, t1: end, selection: null, chosen: 0 });
    this.dress();
    const shown = this.shown();
    this.fetcher.whole([shown, ...head.tracks.filter((track) => track !== shown)], () => this.pictured());
    if (goOn && same) this.play();
  }

  dress() {
    const { head, el } = this, several = head.tracks.length > 1;
    el.player.classList.toggle("small", head.small);
    el.stage.style.height = `${head.height}px`;
    el.stage.setAttribute("aria-valuemin", 0);
    el.stage.setAttribute("aria-valuemax", this.end.toFixed(3));
    el.match.hidden = el.blind.parentElement.hidden = el.names.hidden = !several;
    el.map.replaceChildren(...Object.keys(head.maps).map((name) => element("option", name, { value: name })));
    el.map.value = this.map;
    head.marks.forEach((kind, i) => {
      kind.colour = head.mark_colours[i % head.mark_colours.length];
      const moments = !kind.times && kind.marks.every((mark) => mark[1] === null && mark[2] === null);
      if (!this.kinds.has(kind.kind)) this.kinds.set(kind.kind, !moments);  // lines hide the picture: asked for
    });
    if (this.blind) this.setBlind("");
    showKinds(this);
    showNames(this);
    this.showRegion();
    this.recolour();
    showMeasures(this);
  }

  pictured() {
    if (!this.ranged) suggestRange(this);
    this.recolour();
  }

  recolour() {
    const { el, head } = this;
    if (head.small) return this.invalidate();
    const low = Number(el.low.value), high = Math.max(low + 5, Number(el.high.value));
    el.range.textContent = `${dbText(low).replace(".0", "")} to ${dbText(high).replace(".0", "")} dBFS`;
    this.colours = colourTable(head.maps[this.map], low, high, head);
    return this.invalidate();
  }

  // --- what is heard and shown

  choices() {
    const { tracks } = this.head;
    if (!this.blind) return tracks.map((track, index) => ({ name: track.name, track, index }));
    return this.blind.letters.map((name) => ({ name, index: this.blind.hidden[name], track: tracks[this.blind.hidden[name]] }));
  }

  shown() {
    return this.blind ? this.head.tracks[0] : this.head.tracks[this.chosen];
  }

  shownKinds() {
    return this.head.marks.filter((kind) => this.kinds.get(kind.kind));
  }

  bounds() {
    if (!this.blind) return [0, this.end];
    const pair = this.head.tracks.slice(0, 2);  // where one of them is not, hearing would tell
    return [Math.max(...pair.map((track) => track.start)), Math.min(...pair.map((track) => track.end))];
  }

  levels() {
    const { index } = this.choices()[this.chosen], matched = this.match || this.blind;
    const loud = this.volume ** 2;
    return this.head.tracks.map((track, i) => (i === index ? loud * fromDb(matched ? track.gain_db : 0) : 0));
  }

  hear(i) {
    this.chosen = i;
    if (this.sound) this.sound.setLevels(this.levels());
    showNames(this);
    const { name, track } = this.choices()[i];
    this.say(this.blind ? name : `${name}${this.gainSaid(track)}`);
    this.invalidate();
    showMeasures(this);
  }

  gainSaid(track) {
    if (!this.match || this.head.tracks.length < 2) return "";
    const short = track.short_db > 0.05 ? `, still ${track.short_db.toFixed(1)} dB softer: more would clip` : "";
    return `, ${gainText(track.gain_db)} for equal loudness${short}`;
  }

  setMatch(on) {
    if (this.blind) return this.say("A blind comparison is always equally loud.");
    this.match = on;
    this.el.match.setAttribute("aria-pressed", on);
    return this.hear(this.chosen);
  }

  setVolume(volume) {
    this.volume = clamp(volume, 0, 1);
    this.el.volume.value = Math.round(100 * this.volume);
    if (this.sound) this.sound.setLevels(this.levels());
  }

  setBlind(mode) {
    if (mode && (this.head.tracks.length < 2 || this.head.small)) return;
    this.blind = mode ? new Blind(mode) : null;
    this.el.blind.value = mode;
    this.el.match.disabled = Boolean(mode);
    showBallot(this);
    this.hear(0);
    if (mode) this.seek(this.at);
  }

  reportVotes() {
    this.votes = [...(this.votes || []), this.blind.votes[this.blind.votes.length - 1]];
    this.api.setStateValue("votes", this.votes);
  }

  // --- playing

  now() {
    return this.sound && this.playing ? this.sound.now() : this.at;
  }

  toggle() {
    if (this.playing) this.pause();
    else this.play();
  }

  async play() {
    const turn = ++this.turn;
    this.playing = true;
    this.showPlaying(true);
    window.dispatchEvent(new CustomEvent(ALONE, { detail: this }));
    document.querySelectorAll("audio, video").forEach((media) => media.pause());
    const [first, last] = this.bounds();
    if (this.at >= last - 0.01 || this.at < first) this.at = first;
    this.context = this.context || newContext(this.head.tracks[0].sr);
    const resumed = this.context.resume();  // before any wait: it must lie within the gesture
    if (this.streams()) {  // so must the first play of a media element
      this.sound = this.sound || new ElementSound(this.context, this.head.tracks, this.end, this.rate, () => this.fail());
      this.start();
      return;
    }
    try {
      await this.decoded();
      await resumed;
      if (turn === this.turn && this.playing) this.start();
    } catch {
      if (turn === this.turn) this.fail();
    }
  }

  streams() {
    return this.end > DECODED_S || this.rate !== 1;
  }

  async decoded() {
    if (this.sound) return;
    this.el.play.classList.add("waiting");
    const { tracks } = this.head, sound = await BufferSound.decoded(this.context, tracks, this.end);
    if (this.sound || this.streams() || tracks !== this.head.tracks) sound.close();
    else this.sound = sound;
  }

  start() {
    this.el.play.classList.remove("waiting");
    this.sound.setLevels(this.levels());
    this.sound.play(this.at, this.looped());
    this.tick();
  }

  fail() {
    this.stopSound();
    this.say("The sound could not be loaded: run the page again.");
  }

  pause() {
    if (!this.playing) return;
    this.turn++;
    if (this.sound && this.sound.playing) {
      this.sound.pause();
      this.at = clamp(this.sound.now(), 0, this.end);
    }
    this.playing = false;
    this.showPlaying(false);
    this.showPosition();
  }

  stopSound() {
    this.pause();
    if (this.sound) this.sound.close();
    this.sound = null;
  }

  showPlaying(on) {
    const { play } = this.el;
    play.classList.toggle("playing", on);
    play.classList.remove("waiting");
    play.setAttribute("aria-label", on ? "Pause" : "Play");
  }

  looped() {
    if (!this.loop) return null;
    const [first, last] = this.bounds(), [a, b] = this.selection || [first, last];
    return b - a > 0.005 ? [Math.max(a, first), Math.min(b, last)] : null;
  }

  restart() {
    if (this.playing && this.sound) this.sound.play(this.at, this.looped());
  }

  seek(t) {
    this.at = clamp(t, ...this.bounds());
    this.restart();
    this.follow();
    this.showPosition();
  }

  step(direction) {
    this.seek(this.now() + direction * (this.t1 - this.t0) / 50);
  }

  setLoop(on) {
    if (this.head.small) return;
    this.loop = on;
    this.el.loop.setAttribute("aria-pressed", on);
    this.at = this.now();
    this.restart();
  }

  setRate(rate) {
    const goOn = this.playing;
    this.stopSound();
    this.rate = rate;
    if (this.streams()) this.say("Streamed: a switch keeps the position to some 20 ms, and a loop has a short gap.");
    if (goOn) this.play();
  }

  tick() {
    if (!this.playing) return;
    const seen = this.at >= this.t0 && this.at <= this.t1 && this.t1 - this.t0 > LEAST_FOLLOWED_S;
    this.at = this.now();
    if (!this.looped() && this.at >= this.bounds()[1] - 0.005) {
      this.pause();
      this.at = this.bounds()[1];
    }
    if (seen) this.follow();  // who looks elsewhere stays there
    this.showPosition();
    this.frame = requestAnimationFrame(() => this.tick());
  }

  // --- view

  follow() {
    const width = this.t1 - this.t0;
    if (this.at < this.t0 || this.at > this.t1) this.setView(this.at - width * 0.05, this.at + width * 0.95);
  }

  setView(t0, t1) {
    const width = clamp(t1 - t0, Math.min(this.end, LEAST_SAMPLES / this.shown().sr), this.end);
    this.t0 = clamp(t0, 0, this.end - width);
    this.t1 = this.t0 + width;
    this.showRegion();
    this.showPosition();
    this.invalidate();
  }

  zoom(factor, around = clamp(this.now(), this.t0, this.t1)) {
    this.setView(around - (around - this.t0) * factor, around + (this.t1 - around) * factor);
  }

  pan(share) {
    const by = share * (this.t1 - this.t0);
    this.setView(this.t0 + by, this.t1 + by);
  }

  toSelection() {
    if (this.selection) this.setView(...this.selection);
  }

  invalidate() {
    if (this.asked || !this.head) return;
    this.asked = requestAnimationFrame(() => {
      this.asked = 0;
      this.draw();
    });
  }

  draw() {
    const { head, blind } = this, shown = this.shown();
    const plain = this.drawing.colour("--st-text-color");
    const waves = [{ track: shown, colour: blind ? plain : shown.colour, ghost: false }];
    if (!blind && this.chosen) waves.unshift({ track: head.tracks[0], colour: plain, ghost: true });
    const { t0, t1, axis, top, amplitude, colours } = this;
    const scene = { head, t0, t1, axis, top, amplitude, colours, shown, waves, kinds: this.shownKinds() };
    if (!this.drawing.draw(scene)) return;
    this.showRegion();
    this.showPosition();
    this.el.player.dataset.drawn = `${head.id} ${t0} ${t1} ${this.chosen}`;
    this.el.player.dataset.pictured = shown.picture && shown.picture.values ? head.id : "";
    if (!head.small) waves.forEach(({ track }) => this.fetcher.rest(track, t0, t1, this.drawing.place.width));
  }

  showPosition() {
    const { el, drawing, at } = this;
    if (!drawing.scene) return;
    const x = drawing.place.x + (at - this.t0) / (this.t1 - this.t0) * drawing.place.width;
    el.cursor.style.transform = `translateX(${x.toFixed(2)}px)`;
    el.cursor.style.visibility = x < drawing.place.x - 1 ? "hidden" : "visible";
    const fine = this.t1 - this.t0 < 0.5 ? 0.0001 : 0.01;
    const text = `${timeText(at, fine, this.end)} / ${timeText(this.end, 0.01)} s`;
    if (el.clock.textContent !== text) el.clock.textContent = text;
    const said = performance.now();
    if (this.playing && said - this.shownAt < 1000) return;
    this.shownAt = said;
    el.stage.setAttribute("aria-valuenow", at.toFixed(3));
    el.stage.setAttribute("aria-valuetext", `${at.toFixed(2)} of ${this.end.toFixed(2)} seconds, ${this.choices()[this.chosen].name}`);
  }

  showRegion() {
    const { region } = this.el, { selection, drawing } = this;
    region.hidden = !selection || !drawing.scene;
    this.el["to-selection"].disabled = !selection;
    if (region.hidden) return;
    const toX = (t) => drawing.place.x + (t - this.t0) / (this.t1 - this.t0) * drawing.place.width;
    const a = Math.max(drawing.place.x, toX(selection[0])), b = Math.max(a, toX(selection[1]));
    region.style.transform = `translateX(${a}px)`;
    region.style.width = `${Math.min(b, drawing.place.x + drawing.place.width + 2) - a}px`;
  }

  select(selection, done) {
    this.selection = selection && selection[1] > selection[0] ? selection : null;
    this.showRegion();
    if (!done) return;
    if (!this.head.small) this.api.setStateValue("selection", this.selection);
    if (this.loop) this.setLoop(true);
    showMeasures(this);
  }

  // --- pointer

  place(event) {
    const box = this.el.stage.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  down(event) {
    if (event.button || !this.drawing.scene) return;
    const [x, y] = this.place(event), { axis } = this.drawing.place;
    const along = axis && y >= axis[0] && y < axis[0] + axis[1];
    this.el.stage.setPointerCapture(event.pointerId);
    this.drag = { x, t: this.drawing.toTime(x), t0: this.t0, t1: this.t1, pans: along, moved: false };
  }

  move(event) {
    if (!this.drawing.scene) return;
    const [x, y] = this.place(event), { drag } = this;
    if (!drag) {
      this.el.pointer.textContent = this.blind ? "" : readOut(this, x, y);
      return;
    }
    drag.moved = drag.moved || (!this.head.small && Math.abs(x - drag.x) > 3);
    if (!drag.moved) return;
    if (drag.pans) {
      const by = (drag.x - x) / this.drawing.place.width * (drag.t1 - drag.t0);
      this.setView(drag.t0 + by, drag.t1 + by);
    } else {
      const t = clamp(this.drawing.toTime(x), this.t0, this.t1);
      this.select([Math.min(drag.t, t), Math.max(drag.t, t)].map((v) => clamp(v, 0, this.end)), false);
    }
  }

  up() {
    const { drag } = this;
    this.drag = null;
    if (!drag || drag.pans) return;
    if (drag.moved) this.select(this.selection, true);
    else {
      if (this.selection) this.select(null, true);
      this.seek(drag.t);
    }
  }

  // A page that is being scrolled goes on scrolling; else the wheel zooms, and sideways it pans.
  wheel(event) {
    if (!this.drawing.scene || this.head.small) return;
    if (event.timeStamp - (this.scrolled || -1e9) < 400) {
      this.scrolled = event.timeStamp;
      return;
    }
    const by = event.deltaY || event.deltaX, sideways = event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY);
    if (!sideways && by > 0 && this.t1 - this.t0 >= this.end) return;
    event.preventDefault();
    if (sideways) this.pan(clamp((event.deltaX || event.deltaY) / 500, -0.5, 0.5));
    else this.zoom(1.25 ** clamp(by / 60, -4, 4), clamp(this.drawing.toTime(this.place(event)[0]), this.t0, this.t1));
  }

  // --- words

  toggleHelp() {
    const { help } = this.el;
    if (this.head.small) return;  // it has no room for a list
    help.hidden = !help.hidden;
    this.el["help-button"].setAttribute("aria-expanded", !help.hidden);
  }

  say(text) {
    this.el.said.textContent = text;
  }

  close() {
    this.stopSound();
    cancelAnimationFrame(this.asked);
    this.fetcher.close();
    this.resized.disconnect();
    window.removeEventListener(ALONE, this.alone);
    window.removeEventListener("wheel", this.outside, { capture: true });
    document.removeEventListener("play", this.native, true);
    if (this.context) this.context.close();
  }
}

export default function (component) {
  const { parentElement: root, data } = component;
  if (!PLAYERS.has(root)) PLAYERS.set(root, new Player(root));
  const player = PLAYERS.get(root);
  player.api = component;
  player.load(data instanceof Uint8Array ? data : new Uint8Array(data));
  return () => {
    player.close();
    PLAYERS.delete(root);
  };
}
