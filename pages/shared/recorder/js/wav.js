// Samples as 24-bit PCM while they come, a WAV file in the end, and their levels.

const FULL = 2 ** 23 - 1;  // a 16-bit sample k becomes 256 k: nothing is lost
const CLIPPED = 1 - 1.5 / 2 ** 15;  // full scale of 16 bits, less half a step

class Tape {
  constructor(channels, sr) {
    Object.assign(this, { channels, sr, n: 0, peak: 0, clipped: 0, parts: [] });
  }

  add(block, room) {
    const n = Math.min(block[0].length, room - this.n), bytes = new Uint8Array(3 * n * this.channels);
    let at = 0;
    for (let i = 0; i < n; i++) {
      for (const values of block) {
        const v = Math.max(-1, Math.min(1, values[i])), whole = Math.min(FULL, Math.round(v * 2 ** 23)), size = Math.abs(v);
        bytes[at++] = whole & 255;
        bytes[at++] = (whole >> 8) & 255;
        bytes[at++] = (whole >> 16) & 255;
        if (size > this.peak) this.peak = size;
        if (size >= CLIPPED) this.clipped++;
      }
    }
    this.n += n;
    this.parts.push(bytes);
    return this.n < room;
  }

  get seconds() {
    return this.n / this.sr;
  }

  wav() {
    const size = 3 * this.n * this.channels, view = new DataView(new ArrayBuffer(44));
    const text = (at, word) => [...word].forEach((c, i) => view.setUint8(at + i, c.charCodeAt(0)));
    text(0, "RIFF");
    view.setUint32(4, 36 + size + (size % 2), true);
    text(8, "WAVEfmt ");
    view.setUint32(16, 16, true);
    view.setUint16(20, 1, true);
    view.setUint16(22, this.channels, true);
    view.setUint32(24, this.sr, true);
    view.setUint32(28, 3 * this.sr * this.channels, true);
    view.setUint16(32, 3 * this.channels, true);
    view.setUint16(34, 24, true);
    text(36, "data");
    view.setUint32(40, size, true);
    return new Blob([view, ...this.parts, new Uint8Array(size % 2)], { type: "audio/wav" });
  }
}

// Level of what is added, its mean removed: RMS re full scale, over all channels.
class Level {
  constructor(channels) {
    Object.assign(this, { n: 0, sums: new Float64Array(channels), squares: new Float64Array(channels) });
  }

  add(block) {
    block.forEach((values, c) => {
      for (const v of values) {
        this.sums[c] += v;
        this.squares[c] += v * v;
      }
    });
    this.n += block[0].length;
  }

  get db() {
    const powers = Array.from(this.sums, (sum, c) => this.squares[c] / this.n - (sum / this.n) ** 2);
    return 10 * Math.log10(Math.max(0, powers.reduce((a, b) => a + b, 0) / powers.length));
  }
}
