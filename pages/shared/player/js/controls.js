// What the controls say and do: keys, the read-out under the pointer, measures, the ballot.

const HELP = [
  ["Space", "play, pause"], ["← →", "step; with Shift: move the view"], ["Home End", "start, end"],
  ["↑ ↓", "volume"], ["+ −", "zoom"], ["0", "whole sound"], ["z", "zoom to the selection"],
  ["[ ]", "selection starts, ends here"], ["Esc", "no selection"], ["l", "loop the selection"],
  ["1 2 3", "sounds, at the same position"], ["m", "equal loudness"], ["b", "blind comparison"], ["?", "this list"],
  ["Mouse", "click: seek; drag: select; wheel: zoom; Shift and wheel, or drag along the time: move the view"],
];

const KEYS = {
  " ": (p) => p.toggle(),
  ArrowLeft: (p, e) => (e.shiftKey ? p.pan(-0.2) : p.step(-1)),
  ArrowRight: (p, e) => (e.shiftKey ? p.pan(0.2) : p.step(1)),
  ArrowUp: (p) => p.setVolume(p.volume + 0.05),
  ArrowDown: (p) => p.setVolume(p.volume - 0.05),
  Home: (p) => p.seek(p.bounds()[0]),
  End: (p) => p.seek(p.bounds()[1]),
  "+": (p) => p.zoom(0.5),
  "=": (p) => p.zoom(0.5),
  "-": (p) => p.zoom(2),
  0: (p) => p.setView(0, p.end),
  z: (p) => p.toSelection(),
  "[": (p) => p.select([p.now(), Math.max(p.now(), p.selection ? p.selection[1] : p.end)], true),
  "]": (p) => p.select([Math.min(p.now(), p.selection ? p.selection[0] : 0), p.now()], true),
  Escape: (p) => p.select(null, true),
  l: (p) => p.setLoop(!p.loop),
  m: (p) => p.setMatch(!p.match),
  b: (p) => p.setBlind(p.blind ? "" : "ab"),
  "?": (p) => p.toggleHelp(),
};

function onKey(player, event) {
  if (event.ctrlKey || event.altKey || event.metaKey || !player.head) return;
  const target = event.composedPath()[0], { tagName } = target;
  const pressed = tagName === "BUTTON" && (event.key === " " || event.key === "Enter");
  if (pressed || tagName === "SELECT" || (tagName === "INPUT" && /^(Arrow|Home|End)/.test(event.key))) return;
  const number = /^[1-9]$/.test(event.key) ? Number(event.key) : 0;
  const act = KEYS[event.key];
  if (number && number <= player.choices().length) player.hear(number - 1);
  else if (act) act(player, event);
  else return;
  event.preventDefault();
  event.stopPropagation();
}

function element(tag, text, attributes = {}) {
  const made = document.createElement(tag);
  if (text) made.textContent = text;
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

function button(text, act, attributes = {}) {
  const made = element("button", text, { type: "button", ...attributes });
  made.onclick = act;
  return made;
}

// The sounds, or while blind the letters, one pressed.
function showNames(player) {
  const buttons = player.choices().map(({ name, track, index }, i) => {
    const made = button(name, () => player.hear(i), { "aria-pressed": i === player.chosen, title: `Key ${i + 1}` });
    made.style.setProperty("--colour", player.blind ? "currentcolor" : track.colour);
    if (!player.blind && player.match && player.head.tracks.length > 1) {
      made.append(element("span", gainText(track.gain_db), { class: "gain" }));
      if (track.short_db > 0.05) made.title += `; stays ${track.short_db.toFixed(1)} dB softer, more would clip`;
    }
    made.dataset.track = player.blind ? "" : index;
    return made;
  });
  const had = player.el.names.getRootNode().activeElement, at = [...player.el.names.children].indexOf(had);
  player.el.names.replaceChildren(...buttons);
  if (at >= 0) (buttons[at] || buttons[0]).focus();
}

function showKinds(player) {
  const buttons = player.head.marks.map((kind) => {
    const made = button(kind.kind, () => {
      player.kinds.set(kind.kind, !player.kinds.get(kind.kind));
      made.setAttribute("aria-pressed", player.kinds.get(kind.kind));
      player.invalidate();
    }, { "aria-pressed": player.kinds.get(kind.kind) });
    made.style.setProperty("--colour", kind.colour);
    return made;
  });
  player.el.kinds.replaceChildren(...buttons);
}

// 70 dB below the loudest level of the pictures that are there, until the visitor sets the range.
function suggestRange(player) {
  const { head, el } = player, loudest = ({ picture }) => (picture.values || []).reduce((a, b) => Math.max(a, b), 0);
  const most = Math.max(...head.tracks.map(loudest));
  const high = clamp(Math.ceil((head.floor_db + (most - 1) * head.step_db) / 5) * 5, -80, 6);
  el.high.value = high;
  el.low.value = high - 70;
}

function showHelp(player) {
  player.el.help.replaceChildren(...HELP.map(([keys, meaning]) => {
    const line = element("p");
    for (const key of keys === "Mouse" ? [] : keys.split(" ")) line.append(element("kbd", key), " ");
    line.append(keys === "Mouse" ? `Mouse: ${meaning}.` : meaning);
    return line;
  }));
}

// Time, frequency, note and level under the pointer, and the mark there.
function readOut(player, x, y) {
  const { drawing, head } = player, { place } = drawing;
  if (head.small || !place || x < place.x) return "";
  const t = drawing.toTime(x), parts = [`${timeText(t, (player.t1 - player.t0) / 2000)} s`];
  const track = player.shown();
  if (place.spec && y >= place.spec[0]) {
    const hz = drawing.toHz(y);
    parts.push(`${hz < 1000 ? hz.toFixed(1) : hz.toFixed(0)} Hz`, noteText(hz), levelAt(track, t, hz, head, player));
  } else {
    const i = Math.round((t - track.start) * track.sr), { exact } = track;
    const inside = exact && i >= exact.first && i < exact.last;
    if (inside) parts.push(`sample ${i}: ${exact.values[i - exact.first].toFixed(5)}`);
  }
  const near = (player.t1 - player.t0) / place.width * 4;
  for (const kind of player.shownKinds()) {
    const found = kind.marks.find(([a, b]) => t >= a - (b === null ? near : 0) && t <= (b === null ? a + near : b));
    if (found) parts.push(found[3] ? `${kind.kind}: ${found[3]}` : kind.kind);
  }
  return parts.filter(Boolean).join(" · ");
}

function levelAt(track, t, hz, head, player) {
  const source = pictureFor(track, player.t0, player.t1);
  if (!source.values) return "";
  const column = Math.floor((t - source.t0) / (source.t1 - source.t0) * source.columns);
  const row = Math.round(hzToMel(hz) / hzToMel(track.sr / 2) * (source.rows - 1));
  if (column < 0 || column >= source.columns || row >= source.rows) return "";
  const code = source.values[row * source.columns + column];
  return code ? `${dbText(head.floor_db + (code - 1) * head.step_db)} dBFS` : "";
}

// What the server measured in the selection; while blind nothing, for it would tell.
async function showMeasures(player) {
  const { el, selection, head } = player, turn = (player.measuring = (player.measuring || 0) + 1);
  if (!selection || player.blind || head.small) {
    el.measures.hidden = true;
    return;
  }
  const track = player.shown(), [a, b] = selection, limit = head.limits.measures;
  const facts = [["Selection", `${timeText(a, 0.001)} to ${timeText(b, 0.001)} s`], ["Duration", `${(b - a).toFixed(3)} s`]];
  let found = null;
  if (b - a <= limit) {
    const [start, stop] = [a, b].map((t) => clamp(Math.round((t - track.start) * track.sr), 0, track.n));
    try {
      if (stop > start) found = JSON.parse(new TextDecoder().decode(await player.fetcher.view(track, "measures", start, stop)));
    } catch {
      found = null;  // the sound is gone, which playing will say
    }
  } else facts.push(["Level, f0 and spectrum", `of at most ${limit} s`]);
  if (turn !== player.measuring) return;
  if (found) facts.push(...factsOf(found));
  el.measures.querySelector("dl").replaceChildren(...facts.map(([name, value]) => {
    const made = element("div");
    made.append(element("dt", name), element("dd", value));
    return made;
  }));
  el.measures.hidden = false;
  el.spectrum.hidden = !found;
  if (found) drawSpectrum(player, found.spectrum, track.sr / 2);
}

function factsOf(found) {
  const or = (value, text) => (value === null ? "none" : text(value));
  const hz = (value) => `${value.toFixed(1)} Hz, ${noteText(value)}`;
  return [
    ["Level (RMS)", or(found.rms_dbfs, (v) => `${dbText(v)} dBFS`)],
    ["Peak", or(found.peak_dbfs, (v) => `${dbText(v)} dBFS`)],
    ["f0, median", or(found.f0_hz, hz)],
    ["Strongest frequency", or(found.spectrum_peak_hz, hz)],
  ];
}

// Mean spectrum of the selection over mel frequency, 80 dB below its peak.
function drawSpectrum(player, db, top) {
  const canvas = player.el.spectrum, ratio = window.devicePixelRatio || 1, width = 260, height = 80, foot = 14;
  Object.assign(canvas, { width: width * ratio, height: height * ratio });
  const context = canvas.getContext("2d"), high = Math.max(...db);
  context.scale(ratio, ratio);
  context.font = `10px ${player.drawing.colour("--st-font")}, sans-serif`;
  context.fillStyle = player.drawing.colour("--st-text-color");
  context.textAlign = "center";
  for (const hz of [250, 1000, 4000, 16000]) {
    if (hz < top * 0.9) context.fillText(hzText(hz), AXES.mel.to(hz, top) * width, height - 2);
  }
  context.strokeStyle = player.shown().colour;
  context.lineWidth = 1.5;
  context.beginPath();
  db.forEach((v, i) => context.lineTo(i / (db.length - 1) * width, Math.min(1, (high - v) / 80) * (height - foot - 2) + 1));
  context.stroke();
}

function showBallot(player) {
  const { ballot } = player.el, { blind } = player;
  ballot.hidden = !blind;
  if (!blind) return;
  const names = player.head.tracks.map((track) => track.name), abx = blind.mode === "abx";
  const vote = (letter) => () => {
    const right = blind.vote(letter, names);
    player.reportVotes();
    showBallot(player);
    player.say(abx ? (right ? "Right." : "Wrong.") : "");
    ballot.querySelector("button").focus();
  };
  const parts = [];
  if (blind.revealed) {
    const truth = blind.letters.map((letter) => `${letter} was ${names[blind.hidden[letter]]}`).join(", ");
    const next = () => { blind.next(); player.hear(0); showBallot(player); };
    parts.push(element("strong", `${truth}.`), element("span", blind.tally(names)), button("Next trial", next));
  } else {
    const question = abx ? "Which one is X?" : "Which one do you prefer?";
    parts.push(element("span", `${question} Equally loud; pictures tell nothing.`));
    parts.push(...["A", "B"].map((letter) => button(abx ? `X is ${letter}` : `Prefer ${letter}`, vote(letter))));
  }
  ballot.replaceChildren(...parts, button("Leave", () => player.setBlind("")));
}
