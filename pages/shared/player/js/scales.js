// Scales of time, frequency, pitch and colour; no state.

const clamp = (value, low, high) => Math.min(high, Math.max(low, value));
const LOWEST_HZ = 32;  // of the logarithmic axis
const MEL_STEP = 200 / 3, MEL_KNEE = 15, MEL_LOG = Math.log(6.4) / 27;  // Slaney's mel scale
const hzToMel = (hz) => (hz < 1000 ? hz / MEL_STEP : MEL_KNEE + Math.log(hz / 1000) / MEL_LOG);
const melToHz = (mel) => (mel < MEL_KNEE ? mel * MEL_STEP : 1000 * Math.exp((mel - MEL_KNEE) * MEL_LOG));

// Share of the height of a frequency axis, 0 at its foot, and back.
const AXES = {
  linear: { to: (hz, top) => hz / top, from: (u, top) => u * top },
  mel: { to: (hz, top) => hzToMel(hz) / hzToMel(top), from: (u, top) => melToHz(u * hzToMel(top)) },
  log: {
    to: (hz, top) => Math.log(Math.max(hz, 1) / LOWEST_HZ) / Math.log(top / LOWEST_HZ),
    from: (u, top) => LOWEST_HZ * (top / LOWEST_HZ) ** u,
  },
};
const TICKS = {
  linear: (top) => range(0, top, niceStep(top / 6)),
  mel: () => [0, 250, 500, 1000, 2000, 4000, 8000, 16000],
  log: () => [50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000],
};

function range(first, last, step) {
  const found = [];
  for (let k = Math.ceil(first / step - 1e-9); k * step <= last + step * 1e-6; k++) found.push(k * step);
  return found;
}

function niceStep(least) {
  const power = 10 ** Math.floor(Math.log10(least));
  return [1, 2, 5, 10].map((k) => k * power).find((step) => step >= least * 0.999);
}

const MINUTES = [15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400];
const timeStep = (least) => (least <= 10 ? niceStep(least) : MINUTES.find((s) => s >= least) ?? 21600);

// In minutes where the longest time on the axis is.
function timeText(seconds, step, longest = seconds) {
  const digits = clamp(Math.ceil(-Math.log10(step) - 1e-9), 0, 6);
  if (longest < 60) return `${seconds.toFixed(digits)}`;
  const hours = Math.floor(seconds / 3600), minutes = Math.floor(seconds / 60) % 60;
  const rest = (seconds % 60).toFixed(digits).padStart(digits ? digits + 3 : 2, "0");
  return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${rest}` : `${minutes}:${rest}`;
}

const hzText = (hz) => (hz >= 1000 ? `${+(hz / 1000).toFixed(2)}k` : `${Math.round(hz)}`);
const dbText = (db) => `${db < 0 ? "−" : ""}${Math.abs(db).toFixed(1)}`;
const gainText = (db) => `${db < -0.05 ? "−" : "+"}${Math.abs(db).toFixed(1)} dB`;

const NOTES = ["C", "C♯", "D", "D♯", "E", "F", "F♯", "G", "G♯", "A", "A♯", "B"];
function noteText(hz) {
  if (!(hz > 16)) return "";
  const number = 69 + 12 * Math.log2(hz / 440), nearest = Math.round(number);
  const cents = Math.round(100 * (number - nearest));
  return `${NOTES[nearest % 12]}${Math.floor(nearest / 12) - 1} ${cents < 0 ? "−" : "+"}${Math.abs(cents)} ct`;
}

// 256 colours for levels between low and high; code 0, where nothing is, stays transparent.
function colourTable(stops, low, high, head) {
  const table = new Uint32Array(256);
  for (let code = 1; code < 256; code++) {
    const db = head.floor_db + (code - 1) * head.step_db;
    const at = clamp((db - low) / Math.max(1, high - low), 0, 1) * (stops.length - 1);
    const k = Math.min(stops.length - 2, Math.floor(at));
    const [r, g, b] = [0, 1, 2].map((c) => Math.round(stops[k][c] + (stops[k + 1][c] - stops[k][c]) * (at - k)));
    table[code] = ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0;
  }
  return table;
}
