// The message from Python, and sharper views of what is visible, fetched when the view rests.

const REST_MS = 120;
const SHARPEST_S = 0.05;  // a picture of less shows nothing more: the spectral window is as long

function unpack(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = view.getUint32(0, true);
  const head = JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + length)));
  const KINDS = { u8: Uint8Array, i16: Int16Array, f32: Float32Array };
  const array = ({ at, count, type }) => {
    const from = 4 + length + at, size = KINDS[type].BYTES_PER_ELEMENT * count;
    return new KINDS[type](bytes.slice(from, from + size).buffer);  // a copy, aligned
  };
  for (const track of head.tracks) {
    track.start = track.offset / track.sr;
    track.end = (track.offset + track.n) / track.sr;
    for (const level of track.levels) Object.assign(level, { values: array(level.values), first: 0 });
    if (track.picture) Object.assign(track.picture, { t0: track.start, t1: track.end, values: null });
  }
  for (const mark of head.marks) {
    if (mark.times) [mark.times, mark.values] = [array(mark.times), array(mark.values)];
  }
  return head;
}

class Fetcher {
  constructor(head, arrived, failed) {
    Object.assign(this, { head, arrived, failed });
    this.aborting = new AbortController();
  }

  // The pictures of whole sounds, that on screen first; one at a time, so that it is not held up.
  async whole(tracks, arrived) {
    try {
      for (const track of tracks) {
        if (!track.picture || track.picture.values) continue;
        track.picture.values = new Uint8Array(await this.view(track, "picture", 0, track.n));
        arrived();
      }
    } catch (error) {
      if (error.name !== "AbortError") this.failed();
    }
  }

  // Ask, once the view rests, for what the track at hand lacks between t0 and t1.
  rest(track, t0, t1, pixels) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      const a = Math.floor((t0 - track.start) * track.sr), b = Math.ceil((t1 - track.start) * track.sr) + 1;
      const first = clamp(a, 0, track.n), last = clamp(b, 0, track.n);
      if (last <= first) return;
      this.wave(track, first, last, pixels);
      if (track.picture && track.picture.values) this.picture(track, first, last, pixels);
    }, REST_MS);
  }

  wave(track, first, last, pixels) {
    const n = last - first, { limits } = this.head, finest = track.levels[track.levels.length - 1];
    if (n / pixels >= finest.bin) return;
    const holds = (part) => part && part.first <= first && part.last >= last;
    if (n <= limits.pcm) {
      if (holds(track.exact)) return;
      const [start, stop] = widened(first, last, Math.floor((limits.pcm - n) / 2), track.n);
      this.get(track, "pcm", start, stop, (buffer) => {
        track.exact = { first: start, last: stop, values: new Float32Array(buffer) };
      });
    } else if (n <= limits.extremes) {
      if (holds(track.closer) && track.closer.bin <= n / pixels) return;
      const [start, stop] = widened(first, last, Math.floor(Math.min(n / 4, (limits.extremes - n) / 2)), track.n);
      this.get(track, "extremes", start, stop, (buffer) => {
        const bin = Math.ceil((stop - start) / limits.fine);
        track.closer = { first: start, last: stop, bin, values: new Int16Array(buffer) };
      });
    }
  }

  picture(track, first, last, pixels) {
    const { limits } = this.head, whole = track.picture, had = track.nearer, n = last - first;
    if (n / pixels * 1.5 > track.n / whole.columns || n > limits.picture * track.sr) return;
    const wanted = Math.max(n, track.sr * SHARPEST_S);
    if (had && had.first <= first && had.last >= last && had.last - had.first <= 2 * wanted) return;
    const room = Math.floor(Math.min(wanted * 0.75 - n / 2, (limits.picture * track.sr - n) / 2));
    const [start, stop] = widened(first, last, room, track.n);
    this.get(track, "picture", start, stop, (buffer) => {
      const t0 = track.start + start / track.sr, t1 = track.start + stop / track.sr;
      track.nearer = { ...whole, t0, t1, first: start, last: stop, values: new Uint8Array(buffer) };
    });
  }

  async get(track, kind, start, stop, keep) {
    const asked = `${kind} ${start} ${stop}`;
    track.asked = track.asked || {};
    if (track.asked[kind] === asked) return;
    track.asked[kind] = asked;
    try {
      const buffer = await this.view(track, kind, start, stop);
      if (track.asked[kind] !== asked) return;
      keep(buffer);
      this.arrived();
    } catch (error) {
      if (error.name !== "AbortError") this.failed();
    } finally {
      if (track.asked[kind] === asked) track.asked[kind] = null;
    }
  }

  async view(track, kind, start, stop) {
    const url = `${track.url.replace(/\.wav$/, `.${kind}`)}?start=${start}&stop=${stop}`;
    const answer = await fetch(url, { signal: this.aborting.signal });
    if (!answer.ok) throw new Error(`${answer.status}`);
    return answer.arrayBuffer();
  }

  close() {
    clearTimeout(this.timer);
    this.aborting.abort();
  }
}

function widened(first, last, by, n) {
  return [Math.max(0, first - by), Math.min(n, last + by)];
}

function peakOf({ levels }) {
  const { values } = levels[0], columns = values.length / 3;
  let most = 0;
  for (let i = 0; i < 2 * columns; i++) most = Math.max(most, Math.abs(values[i]));
  return most / 32768;
}
