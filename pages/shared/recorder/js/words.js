// What is said: the browser's own word on its processing, and what to do where nothing can be had.

const INSECURE = "Recording works only on https or on localhost: open Phonoscope at such an address, or upload a file.";
const OLD = "This browser cannot record: use a newer one, or upload a file.";
const REFUSALS = {
  NotAllowedError: "The microphone was refused: allow it for this site, at the left of the address bar, and try again.",
  NotFoundError: "No microphone was found: connect one and try again.",
  NotReadableError: "The microphone cannot be opened: close other programs that use it and try again.",
};
REFUSALS.SecurityError = REFUSALS.NotAllowedError;
REFUSALS.OverconstrainedError = REFUSALS.NotFoundError;
REFUSALS.AbortError = REFUSALS.NotReadableError;

function refusal(err) {
  return REFUSALS[err.name] || `The microphone could not be opened (${err.name}): choose another one, or upload a file.`;
}

const filled = (text, words) => text.replace(/\{(\w+)\}/g, (_, name) => words[name]);
const thousands = (n) => n.toLocaleString("en-US");
const isOn = (value) => value === true || (typeof value === "string" && value !== "");

// [what is said, whether it is a warning]; the page says the same of the kept recording.
function gave({ words, steps, maybe_steps: maybe }, settings, sr) {
  const on = Object.entries({ ...steps, ...maybe }).filter(([key]) => isOn(settings[key])).map(([, name]) => name);
  const unsaid = Object.entries(steps).filter(([key]) => settings[key] !== false && !isOn(settings[key])).map(([, name]) => name);
  const said = [];
  if (on.length) said.push(filled(words.processed, { steps: on.join(", ") }));
  else if (unsaid.length) said.push(filled(words.unsaid, { steps: unsaid.join(", ") }));
  const from = settings.sampleRate;
  if (from && from !== sr) said.push(filled(words.resampled, { from: thousands(from), to: thousands(sr) }));
  if (said.length) return [said.join(" "), true];
  return [filled(words.raw, { rate: thousands(sr) }), false];
}

function clockText(seconds) {
  const whole = Math.floor(seconds + 1e-6);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

const decibels = (db, digits = 0) => (Number.isFinite(db) ? `${db.toFixed(digits).replace("-", "−")} dBFS` : "silence");
