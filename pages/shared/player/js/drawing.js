// Waveform, spectrogram, axes and marks on one canvas; what moves lies above it as plain elements.

const GUTTER = 46, AXIS = 20;  // px: labels at the left, time between the pictures
const SAMPLES_SHOWN = 0.15;  // samples a pixel from which each is a dot

class Drawing {
  constructor(canvas, host) {
    this.canvas = canvas;
    this.host = host;
    this.context = canvas.getContext("2d");
  }

  // Where things are, in px: x and width of the time axis, and each part's y and height.
  layout(head) {
    const width = this.canvas.clientWidth, height = this.canvas.clientHeight;
    if (head.small) return { x: 0, width, height, wave: [0, height], spec: null };
    const wave = Math.round((height - AXIS) * 0.32);
    const spec = [wave + AXIS, height - AXIS - wave];
    return { x: GUTTER, width: width - GUTTER, height, wave: [0, wave], axis: [wave, AXIS], spec };
  }

  colour(name) {
    return getComputedStyle(this.host).getPropertyValue(name).trim() || "#808080";
  }

  draw(scene) {
    const ratio = window.devicePixelRatio || 1, { canvas, context } = this;
    const width = Math.round(canvas.clientWidth * ratio), height = Math.round(canvas.clientHeight * ratio);
    if (!width || !height) return false;
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    this.place = this.layout(scene.head);
    this.scene = scene;
    this.text = this.colour("--st-text-color");
    this.line = this.colour("--st-border-color");
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, width, height);
    if (this.place.spec) this.spectrogram(ratio);
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.font = `11px ${this.colour("--st-font")}, sans-serif`;
    this.waves();
    if (this.place.spec) {
      this.timeAxis();
      this.frequencyAxis();
      this.marks();
    }
    return true;
  }

  toX(t) {
    const { t0, t1 } = this.scene;
    return this.place.x + (t - t0) / (t1 - t0) * this.place.width;
  }

  toTime(x) {
    const { t0, t1 } = this.scene;
    return t0 + (x - this.place.x) / this.place.width * (t1 - t0);
  }

  toY(hz) {
    const [y, height] = this.place.spec;
    return y + height * (1 - AXES[this.scene.axis].to(hz, this.scene.top));
  }

  toHz(y) {
    const [from, height] = this.place.spec;
    return AXES[this.scene.axis].from(clamp(1 - (y - from) / height, 0, 1), this.scene.top);
  }

  // --- waveform

  waves() {
    const { context, scene } = this, [y, height] = this.place.wave;
    context.save();
    context.beginPath();
    context.rect(this.place.x, y, this.place.width, height);
    context.clip();
    context.fillStyle = this.line;
    context.fillRect(this.place.x, y + height / 2, this.place.width, 1);
    for (const { track, colour, ghost } of scene.waves) this.wave(track, colour, ghost);
    context.restore();
    if (this.place.spec) this.amplitudes();
  }

  wave(track, colour, ghost) {
    const { context, scene } = this, [y, height] = this.place.wave;
    const middle = y + height / 2, unit = (height / 2 - 2) / scene.amplitude;
    const a = (scene.t0 - track.start) * track.sr, perPixel = (scene.t1 - scene.t0) * track.sr / this.place.width;
    const span = [Math.max(0, Math.floor(a)), Math.min(track.n, Math.ceil(a + perPixel * this.place.width) + 1)];
    const { exact } = track;
    const there = exact && exact.first <= span[0] && exact.last >= span[1];
    context.fillStyle = context.strokeStyle = colour;
    const body = ghost ? 0.3 : 0.5;
    const place = { x: this.place.x, a, perPixel, middle, unit, n: track.n };
    if (there && perPixel <= 1.5) drawSamples(context, exact, span, place, ghost);
    else drawExtremes(context, there ? null : levelFor(track, perPixel, span), exact, place, this.place.width, body, ghost);
    context.globalAlpha = 1;
  }

  amplitudes() {
    const { context, scene } = this, [y, height] = this.place.wave;
    const unit = (height / 2 - 2) / scene.amplitude, step = niceStep(scene.amplitude / 3);
    context.fillStyle = this.text;
    context.textAlign = "right";
    context.textBaseline = "middle";
    for (const value of range(-scene.amplitude, scene.amplitude, step)) {
      const at = clamp(y + height / 2 - value * unit, y + 6, y + height - 6);
      context.fillText(`${value < 0 ? "−" : ""}${+Math.abs(value).toPrecision(3)}`, GUTTER - 6, at);
    }
  }

  timeAxis() {
    const { context, scene } = this, [y, height] = this.place.axis;
    const step = timeStep((scene.t1 - scene.t0) / Math.max(2, this.place.width / 90));
    context.textAlign = "center";
    context.textBaseline = "middle";
    for (const t of range(scene.t0, scene.t1, step)) {
      const x = this.toX(t), text = timeText(t, step, scene.t1), half = context.measureText(text).width / 2;
      context.fillStyle = this.line;
      context.fillRect(x, y, 1, 4);
      context.fillStyle = this.text;
      context.fillText(text, clamp(x, this.place.x + half, this.place.x + this.place.width - half), y + height / 2 + 2);
    }
    context.textAlign = "right";
    context.fillText("s", GUTTER - 6, y + height / 2 + 2);
  }

  // --- spectrogram

  spectrogram(ratio) {
    const { scene } = this, [y, height] = this.place.spec;
    const x0 = Math.round(this.place.x * ratio), y0 = Math.round(y * ratio);
    const width = Math.round(this.place.width * ratio), rows = Math.round(height * ratio);
    if (width < 1 || rows < 1) return;
    const source = pictureFor(scene.shown, scene.t0, scene.t1);
    if (!source.values) return;  // on its way
    const image = this.context.createImageData(width, rows);
    const pixels = new Uint32Array(image.data.buffer);
    const across = columnsOf(source, scene, width), down = this.rowsOf(source, rows);
    fill(pixels, source, across, down, scene.colours, width);
    this.context.putImageData(image, x0, y0);
  }

  // Rows of the source that each line of pixels shows: [first, last], or -1 above its range.
  rowsOf(source, lines) {
    const { top, axis, shown } = this.scene, own = hzToMel(shown.sr / 2);
    const at = (line) => hzToMel(AXES[axis].from(1 - line / lines, top)) / own * (source.rows - 1);
    const found = new Int16Array(2 * lines);
    for (let line = 0; line < lines; line++) {
      const high = at(line), low = at(line + 1), middle = Math.round((high + low) / 2);
      const outside = middle > source.rows - 1;
      found[2 * line] = outside ? -1 : Math.min(middle, Math.ceil(low));
      found[2 * line + 1] = Math.max(middle, Math.min(source.rows - 1, Math.ceil(high) - 1));
    }
    return found;
  }

  frequencyAxis() {
    const { context, scene } = this, [y, height] = this.place.spec;
    context.textAlign = "right";
    context.textBaseline = "middle";
    let last = Infinity;
    for (const hz of TICKS[scene.axis](scene.top)) {
      const at = this.toY(hz);
      if (hz > scene.top || at < y + 5 || at > y + height + 1 || last - at < 13) continue;
      context.fillStyle = this.line;
      context.fillRect(GUTTER - 4, at, 4, 1);
      context.fillStyle = this.text;
      context.fillText(hz ? hzText(hz) : "0 Hz", GUTTER - 6, Math.min(at, y + height - 6));
      last = at;
    }
  }

  // --- marks

  marks() {
    const { context, scene } = this;
    context.save();
    context.beginPath();
    context.rect(this.place.x, 0, this.place.width, this.place.height);
    context.clip();
    let lane = 0;
    for (const kind of scene.kinds) {
      if (kind.times) this.curve(kind);
      const stretches = kind.marks.filter((mark) => mark[1] !== null);
      if (stretches.length) this.stretches(stretches, kind.colour, lane++);
      this.moments(kind.marks.filter((mark) => mark[1] === null), kind.colour);
    }
    context.restore();
  }

  curve({ times, values, colour }) {
    const { context, scene } = this, step = times.length > 1 ? times[1] - times[0] : 1;
    const first = Math.max(0, Math.floor((scene.t0 - times[0]) / step) - 1);
    const last = Math.min(times.length, Math.ceil((scene.t1 - times[0]) / step) + 2);
    const every = Math.max(1, Math.floor((last - first) / (2 * this.place.width)));
    context.beginPath();
    let down = false;
    for (let i = first; i < last; i += every) {
      const there = values[i] === values[i];  // NaN is a gap
      if (there) context[down ? "lineTo" : "moveTo"](this.toX(times[i]), this.toY(values[i]));
      down = there;
    }
    context.lineJoin = "round";
    for (const [width, stroke] of [[4, "rgba(0,0,0,.55)"], [2, colour]]) {
      context.lineWidth = width;
      context.strokeStyle = stroke;
      context.stroke();
    }
  }

  stretches(marks, colour, lane) {
    const { context } = this, [y, height] = this.place.wave, at = y + height - 5 * (lane + 1);
    context.fillStyle = colour;
    for (const [start, end, , label] of marks) {
      const x = this.toX(start), width = Math.max(2, this.toX(end) - x);
      context.fillRect(x, at, width, 4);
      if (label) {
        context.globalAlpha = 0.16;
        context.fillRect(x, y, width, height);
        context.globalAlpha = 1;
      }
    }
  }

  moments(marks, colour) {
    const { context } = this, [y, height] = this.place.spec, [top, tall] = this.place.wave;
    let last = -9;
    for (const [start, , hz] of marks) {
      const x = Math.round(this.toX(start));
      if (x === last || x < this.place.x || x > this.place.x + this.place.width) continue;
      last = x;
      if (hz !== null) {
        context.fillStyle = colour;
        context.beginPath();
        context.arc(x, this.toY(hz), 3.5, 0, 7);
        context.fill();
        continue;
      }
      context.fillStyle = "rgba(0,0,0,.45)";
      context.fillRect(x - 1, y, 3, height);
      context.fillStyle = colour;
      context.fillRect(x, y, 1, height);
      context.fillRect(x - 1, top + tall - 6, 3, 6);
    }
  }
}

function levelFor(track, perPixel, [first, last]) {
  const { closer } = track, fromFine = [...track.levels].reverse();
  if (closer && closer.first <= first && closer.last >= last) fromFine.unshift(closer);
  return fromFine.reduce((best, level) => (level.bin <= perPixel ? level : best), fromFine[0]);
}

// Samples as a line, and as dots where there is room.
function drawSamples(context, exact, [first, last], { x, a, perPixel, middle, unit }, ghost) {
  context.globalAlpha = ghost ? 0.35 : 1;
  context.lineWidth = 1.4;
  context.beginPath();
  for (let i = first; i < last; i++) {
    context.lineTo(x + (i - a) / perPixel, middle - exact.values[i - exact.first] * unit);
  }
  context.stroke();
  if (perPixel > SAMPLES_SHOWN || ghost) return;
  for (let i = first; i < last; i++) {
    context.beginPath();
    context.arc(x + (i - a) / perPixel, middle - exact.values[i - exact.first] * unit, 2.6, 0, 7);
    context.fill();
  }
}

// Per pixel the lowest and highest sample, and RMS in a stronger shade; without a level, of exact.
function drawExtremes(context, level, exact, { x, a, perPixel, middle, unit, n }, width, body, ghost) {
  const at = level ? extremesOf(level) : samplesOf(exact);
  for (let px = 0; px < width; px++) {
    const from = a + px * perPixel, to = from + perPixel;
    if (to <= 0 || from >= n) continue;
    const found = at(Math.max(0, from), Math.min(n, to));
    if (!found) continue;
    const [low, high, rms] = found, top = middle - high * unit;
    context.globalAlpha = body;
    context.fillRect(x + px, top, 1, Math.max(1, (high - low) * unit));
    if (ghost) continue;
    const y0 = Math.max(top, middle - rms * unit), y1 = Math.min(middle - low * unit, middle + rms * unit);
    context.globalAlpha = 1;
    context.fillRect(x + px, y0, 1, Math.max(1, y1 - y0));
  }
}

const extremesOf = ({ values, bin, first }) => (from, to) => {
  const columns = values.length / 3, i = Math.max(0, Math.floor((from - first) / bin));
  const j = Math.min(columns, Math.max(i + 1, Math.ceil((to - first) / bin)));
  if (j <= i) return null;
  let low = 32767, high = -32768, power = 0;
  for (let k = i; k < j; k++) {
    if (values[k] < low) low = values[k];
    if (values[columns + k] > high) high = values[columns + k];
    power += values[2 * columns + k] ** 2;
  }
  return [low / 32768, high / 32768, Math.sqrt(power / (j - i)) / 32768];
};

const samplesOf = ({ values, first }) => (from, to) => {
  const i = Math.floor(from) - first, j = Math.min(values.length, Math.max(i + 1, Math.ceil(to) - first));
  if (j <= i) return null;
  let low = Infinity, high = -Infinity, power = 0;
  for (let k = i; k < j; k++) {
    low = Math.min(low, values[k]);
    high = Math.max(high, values[k]);
    power += values[k] ** 2;
  }
  return [low, high, Math.sqrt(power / (j - i))];
};

function pictureFor(track, t0, t1) {
  const { nearer } = track;
  const covers = nearer && nearer.t0 <= Math.max(t0, track.start) && nearer.t1 >= Math.min(t1, track.end);
  return covers ? nearer : track.picture;
}

// Columns of the source under each column of pixels: [first, last], -1 outside it.
function columnsOf(source, { t0, t1 }, width) {
  const rate = source.columns / (source.t1 - source.t0), found = new Int16Array(2 * width);
  for (let px = 0; px < width; px++) {
    const a = (t0 + px / width * (t1 - t0) - source.t0) * rate;
    const b = (t0 + (px + 1) / width * (t1 - t0) - source.t0) * rate;
    const inside = b > 0 && a < source.columns;
    found[2 * px] = inside ? clamp(Math.floor((a + b) / 2 - (b - a) / 2), 0, source.columns - 1) : -1;
    found[2 * px + 1] = clamp(Math.ceil(b) - 1, found[2 * px], source.columns - 1);
  }
  return found;
}

function fill(pixels, { values, columns }, across, down, colours, width) {
  for (let line = 0; line < down.length / 2; line++) {
    const bottom = down[2 * line], top = down[2 * line + 1];
    if (bottom < 0) continue;
    for (let px = 0; px < width; px++) {
      const first = across[2 * px], last = across[2 * px + 1];
      if (first < 0) continue;
      let most = 0;
      for (let row = bottom; row <= top; row++) {
        for (let k = row * columns + first; k <= row * columns + last; k++) if (values[k] > most) most = values[k];
      }
      pixels[line * width + px] = colours[most];
    }
  }
}
