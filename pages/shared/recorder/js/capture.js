// From a source node to blocks of samples: an AudioWorklet of our own, or, where there is none, the
// old ScriptProcessor. Each gives every sample once and in order.

const BLOCK = 1024;  // samples of a block, about 20 ms
const WORKLET = `registerProcessor("phonoscope-capture", class extends AudioWorkletProcessor {
  constructor(options) {
    super();
    this.count = options.processorOptions.channels;
    this.size = options.processorOptions.block;
    this.fresh();
  }
  fresh() {
    this.block = Array.from({ length: this.count }, () => new Float32Array(this.size));
    this.at = 0;
  }
  process([input]) {
    const n = input.length ? input[0].length : 128;  // no input: the source has stopped, or not begun
    for (let from = 0; from < n;) {
      const take = Math.min(n - from, this.size - this.at);
      for (let c = 0; c < this.count && input.length; c++) {
        this.block[c].set(input[Math.min(c, input.length - 1)].subarray(from, from + take), this.at);
      }
      this.at += take;
      from += take;
      if (this.at === this.size) {
        this.port.postMessage(this.block, this.block.map((values) => values.buffer));
        this.fresh();
      }
    }
    return true;
  }
});`;

async function workletCapture(context, channels, onBlock) {
  const url = URL.createObjectURL(new Blob([WORKLET], { type: "text/javascript" }));
  try {
    await context.audioWorklet.addModule(url);
  } finally {
    URL.revokeObjectURL(url);
  }
  const options = { channelCount: channels, channelCountMode: "explicit", channelInterpretation: "discrete" };
  const node = new AudioWorkletNode(context, "phonoscope-capture", {
    ...options, numberOfInputs: 1, numberOfOutputs: 1, processorOptions: { channels, block: BLOCK },
  });
  node.port.onmessage = ({ data }) => onBlock(data);
  return node;
}

function scriptCapture(context, channels, onBlock) {
  const node = context.createScriptProcessor(4 * BLOCK, channels, 1);
  node.onaudioprocess = ({ inputBuffer }) => {
    onBlock(Array.from({ length: channels }, (_, c) => inputBuffer.getChannelData(c).slice()));
  };
  return node;
}

// A node that hears `source` and calls onBlock([Float32Array, ...]) for each block; nothing sounds.
async function capture(context, source, channels, onBlock) {
  const node = context.audioWorklet
    ? await workletCapture(context, channels, onBlock)
    : scriptCapture(context, channels, onBlock);
  const silent = context.createGain();
  silent.gain.value = 0;
  source.connect(node).connect(silent).connect(context.destination);  // what leads nowhere is not run
  return node;
}

function newContext(sr) {
  const Context = window.AudioContext || window.webkitAudioContext;
  try {
    return new Context(sr ? { sampleRate: sr } : {});  // the microphone's rate, not the loudspeaker's
  } catch {
    return new Context();
  }
}
