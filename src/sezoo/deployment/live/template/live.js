// The page: a source, the worklet that denoises it, and what is seen of both.
const by = (id) => document.getElementById(id);
const MODEL = JSON.parse(by("model").textContent);
const NO_LIMIT = 41;  // the slider's last place
const KEPT_SECONDS = 60;  // of the microphone, for the download
const OFFLINE_CALLS = 50;  // between two looks at the page
const PROBED_CALLS = 10;  // that are timed once a second; an AudioWorklet has no clock that is fine enough
const WEBASSEMBLY = Uint8Array.from(atob(by("wasm").textContent.trim()), (letter) => letter.charCodeAt(0));

const pictures = { noisy: new Picture(by("noisy-sound"), MODEL), denoised: new Picture(by("denoised-sound"), MODEL) };
const state = {
  source: null, context: null, node: null, stream: null, denoised: true, result: null, name: "", kept: null, late: null,
  calls: 0, underruns: 0, activity: 0, times: [], probe: null, generation: 0, making: 0, waiting: null,
  contextRate: MODEL.rate,
};
window.sezooLive = state;

// -- words -------------------------------------------------------------------------------------------------------

function tell(text, isBad = false) {
  by("notice").textContent = text;
  by("notice").classList.toggle("bad", isBad);
}

const milliseconds = (value) => `${value < 10 ? value.toFixed(2) : value.toFixed(0)} ms`;

function describe() {
  document.title = `${MODEL.name} · sezoo live`;
  by("name").textContent = MODEL.name;
  by("facts").textContent = [
    `${MODEL.parameters.toLocaleString("en")} weights`, `${(MODEL.macs_per_second / 1e6).toFixed(0)} million MAC a second`,
    `${MODEL.rate / 1000} kHz`, `window ${MODEL.window}, hop ${MODEL.hop}`,
  ].join(" · ");
  by("latency").textContent = `${+MODEL.latency_ms.toFixed(1)} ms`;
  by("call-of").textContent = `for ${+((1000 * MODEL.frames * MODEL.hop) / MODEL.rate).toFixed(2)} ms of sound`;
  by("axis-top").textContent = `0 to ${MODEL.rate / 2000} kHz`;
  by("how").textContent = `The C code of sezoo's package for microcontrollers, compiled to WebAssembly: the same integers, the `
    + `same samples. The time of a call is this browser's. Made by sezoo ${MODEL.version}.`;
}

// -- the limit and the switch ---------------------------------------------------------------------------------------

const decibels = () => (Number(by("limit").value) === NO_LIMIT ? 200 : Number(by("limit").value));

function showLimit() {
  const value = Number(by("limit").value);
  by("limit-value").textContent = value === NO_LIMIT ? "none" : `${value} dB`;
  by("limit").setAttribute("aria-valuetext", by("limit-value").textContent);
  if (state.node) state.node.port.postMessage({ limit: decibels() });
  if (state.source instanceof AudioBuffer) {
    state.result = null;
    by("download").disabled = true;
    clearTimeout(state.waiting);
    state.waiting = setTimeout(() => makeResult(state.source), 400);
  }
}

function hear(isDenoised) {
  state.denoised = isDenoised;
  by("noisy").setAttribute("aria-checked", String(!isDenoised));
  by("denoised").setAttribute("aria-checked", String(isDenoised));
  by("noisy").tabIndex = isDenoised ? -1 : 0;
  by("denoised").tabIndex = isDenoised ? 0 : -1;
  by("noisy-sound").classList.toggle("heard", !isDenoised);
  by("denoised-sound").classList.toggle("heard", isDenoised);
  if (state.node) state.node.port.postMessage({ denoised: isDenoised });
}

// -- the sound ----------------------------------------------------------------------------------------------------

async function openContext(rate) {
  const context = new AudioContext({ sampleRate: rate, latencyHint: "interactive" });
  // Not of a blob: Chromium does not let a page from the disk load one into a worklet.
  await context.audioWorklet.addModule(`data:text/javascript,${encodeURIComponent(by("worklet").textContent)}`);
  const node = new AudioWorkletNode(context, "sezoo-live", {
    numberOfInputs: 1, numberOfOutputs: 1, outputChannelCount: [1],
    processorOptions: { module: WEBASSEMBLY, rate: MODEL.rate, limit: decibels(), denoised: state.denoised },
  });
  node.connect(context.destination);
  return { context, node };
}

function attach({ context, node }, source) {
  Object.assign(state, { context, node, calls: 0, underruns: 0 });
  state.late = new Queue(MODEL.delay + 1, Int16Array);  // the noisy sound is shown as late as the denoised one
  for (let i = 0; i < MODEL.delay; i += 1) state.late.push(0);
  for (const picture of Object.values(pictures)) picture.clear();
  node.port.onmessage = ({ data }) => arrived(data);
  node.onprocessorerror = () => { stop(); tell("The denoiser has failed in this browser.", true); };
  source.connect(node);
  by("stop").disabled = false;
}

function arrived(message) {
  const noisy = Int16Array.from(message.noisy, (sample) => { state.late.push(sample); return state.late.shift(); });
  pictures.noisy.push(noisy);
  pictures.denoised.push(message.denoised);
  if (state.kept) message.denoised.forEach((sample) => state.kept.push(sample));
  state.calls += message.calls;
  state.latest = message.noisy;
  state.underruns = message.underruns;
  state.activity = message.activity;
  if (state.onBlock) state.onBlock(message);
  if (state.kept) by("download").disabled = false;
}

async function stop() {
  state.generation += 1;
  const { context, node, stream } = state;
  Object.assign(state, { context: null, node: null, stream: null });
  if (node) node.port.postMessage({ stop: true });
  for (const track of stream ? stream.getTracks() : []) track.stop();
  by("microphone").classList.remove("on");
  by("open").classList.remove("on");
  by("stop").disabled = true;
  if (context) await context.close();
}

// Stops what is heard and gives the number of the source that comes next: `past` once another one has been asked for.
async function next() {
  const stopping = stop(), generation = state.generation;  // before it waits: of two at once, the last one counts
  await stopping;
  return generation;
}

const past = (generation) => generation !== state.generation;

async function listen() {
  const generation = await next();
  if (past(generation)) return;
  if (!navigator.mediaDevices) {
    tell("This browser gives no page on the disk a microphone. Open a recording, or drop one here.", true);
    return;
  }
  tell("Waiting for the microphone …");
  // Both at once: either takes up to a second.
  const opening = openContext(state.contextRate).catch(() => null);
  const discard = async () => { const opened = await opening; if (opened) await opened.context.close(); };
  let stream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({
      audio: { channelCount: 1, echoCancellation: false, noiseSuppression: false, autoGainControl: false },
    });
  } catch (error) {
    await discard();
    if (past(generation)) return;
    const why = error.name === "NotAllowedError" ? "The microphone was refused"
      : error.name === "NotFoundError" ? "No microphone was found" : "The microphone cannot be used";
    tell(`${why}. Allow it in the browser, or open a recording, or drop one here.`, true);
    return;
  }
  const late = async (context) => { stream.getTracks().forEach((track) => track.stop()); if (context) await context.close(); };
  let opened = await opening, source;
  if (past(generation)) { await late(opened && opened.context); return; }
  try {
    source = opened.context.createMediaStreamSource(stream);
  } catch {  // a browser that does not resample a microphone: it is done in the worklet
    await discard();
    opened = await openContext(undefined);
    if (past(generation)) { await late(opened.context); return; }
    source = opened.context.createMediaStreamSource(stream);
  }
  Object.assign(state, { stream, source: "microphone", result: null, name: "microphone", kept: new Queue(KEPT_SECONDS * MODEL.rate, Int16Array) });
  attach(opened, source);
  by("microphone").classList.add("on");
  by("result-note").textContent = `the last ${KEPT_SECONDS} seconds, denoised`;
  tell("You hear yourself, denoised: use headphones, or the loudspeaker comes back through the microphone.");
}

async function play(file) {
  const generation = await next();
  if (past(generation)) return;
  tell(`Reading ${file.name} …`);
  let sound;
  try {
    sound = await new OfflineAudioContext(1, 1, MODEL.rate).decodeAudioData(await file.arrayBuffer());
    if (!sound.length) throw new Error("it has no samples");
  } catch {
    if (past(generation)) return;
    tell(`${file.name} is no sound that this browser can read: WAV, FLAC, MP3, Ogg and M4A are what most can.`, true);
    return;
  }
  if (past(generation)) return;
  const opened = await openContext(state.contextRate);
  if (past(generation)) { await opened.context.close(); return; }
  const source = new AudioBufferSourceNode(opened.context, { buffer: mono(sound) });
  Object.assign(state, { source: source.buffer, result: null, name: file.name.replace(/\.[^.]*$/, ""), kept: null });
  by("download").disabled = true;
  attach(opened, source);
  source.onended = () => setTimeout(() => {
    if (!past(generation)) { stop(); tell(`${file.name} has ended. Open it again, or another one.`); }
  }, MODEL.latency_ms + 100);
  source.start();
  by("open").classList.add("on");
  tell(`Playing ${file.name}, ${sound.duration.toFixed(1)} s.`);
  makeResult(source.buffer);
}

// Some browsers divide positive samples of 16 bits by 32767 and negative ones by 32768. The C code's are 32768ths.
function exact(samples) {
  const steps = (sample) => Math.abs(sample * 32767 - Math.round(sample * 32767));
  if (samples.some((sample) => sample > 0 && steps(sample) > 1 / 256)) return;  // not divided so, or not of 16 bits
  for (let i = 0; i < samples.length; i += 1) {
    if (samples[i] > 0) samples[i] = Math.round(samples[i] * 32767) / 32768;
  }
}

function mono(sound) {
  const channels = Array.from({ length: sound.numberOfChannels }, (_, index) => sound.getChannelData(index));
  channels.forEach(exact);
  if (channels.length === 1) return sound;
  const buffer = new AudioBuffer({ length: sound.length, sampleRate: sound.sampleRate, numberOfChannels: 1 });
  const mixed = buffer.getChannelData(0);
  for (let i = 0; i < mixed.length; i += 1) {
    for (const channel of channels) mixed[i] += channel[i] / channels.length;
  }
  return buffer;
}

// -- the result ---------------------------------------------------------------------------------------------------

// A whole recording through a denoiser of its own, its delay taken out.
async function makeResult(buffer) {
  if (!(buffer instanceof AudioBuffer)) return;  // by now there is another source
  const making = (state.making += 1);
  by("result-note").textContent = "making the result …";
  const { instance } = await WebAssembly.instantiate(WEBASSEMBLY);
  const denoiser = new Denoiser(instance), { size, delay } = denoiser;
  denoiser.c.limit(decibels());
  const samples = buffer.getChannelData(0), result = new Int16Array(samples.length);
  const calls = Math.ceil((samples.length + delay) / size);
  for (let call = 0; call < calls; call += 1) {
    for (let i = 0; i < size; i += 1) denoiser.input[i] = toInt16(samples[call * size + i] || 0);
    denoiser.c.process();
    for (let i = 0; i < size; i += 1) {
      const to = call * size + i - delay;
      if (to >= 0 && to < result.length) result[to] = denoiser.output[i];
    }
    if (call % OFFLINE_CALLS === 0) {
      await new Promise((resolve) => setTimeout(resolve));
      if (state.source !== buffer || making !== state.making) return;  // another recording, or another limit
    }
  }
  state.result = result;
  by("download").disabled = false;
  by("result-note").textContent = `${state.name}, ${(result.length / MODEL.rate).toFixed(1)} s, denoised`;
}

function wav(samples) {
  const bytes = new DataView(new ArrayBuffer(44 + 2 * samples.length));
  const text = (at, letters) => [...letters].forEach((letter, i) => bytes.setUint8(at + i, letter.charCodeAt(0)));
  text(0, "RIFF"); bytes.setUint32(4, 36 + 2 * samples.length, true); text(8, "WAVEfmt ");
  bytes.setUint32(16, 16, true); bytes.setUint16(20, 1, true); bytes.setUint16(22, 1, true);
  bytes.setUint32(24, MODEL.rate, true); bytes.setUint32(28, 2 * MODEL.rate, true);
  bytes.setUint16(32, 2, true); bytes.setUint16(34, 16, true);
  text(36, "data"); bytes.setUint32(40, 2 * samples.length, true);
  samples.forEach((sample, i) => bytes.setInt16(44 + 2 * i, sample, true));
  return new Blob([bytes], { type: "audio/wav" });
}

function download() {
  const kept = state.kept;
  const samples = state.result || (kept && Int16Array.from({ length: kept.length }, (_, i) => kept.samples[(kept.first + i) % kept.samples.length]));
  if (!samples) return;
  const link = document.createElement("a");
  link.href = URL.createObjectURL(wav(samples));
  link.download = `${state.name}_denoised.wav`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

// -- what is seen --------------------------------------------------------------------------------------------------

let shown = 0;

// The time of a call here in milliseconds, on the sound that has just come in. Of the last times the shortest: what other
// programs take of the processor in between is none of the network's.
function timed() {
  const { probe, latest } = state;
  const blocks = latest.length / probe.size, before = performance.now();
  for (let call = 0; call < PROBED_CALLS; call += 1) {
    const first = (call % blocks) * probe.size;
    probe.input.set(latest.subarray(first, first + probe.size));
    probe.c.process();
  }
  state.times = [...state.times.slice(-4), (performance.now() - before) / PROBED_CALLS];
  return Math.min(...state.times);
}

function follow(now) {
  if (state.node) {
    for (const picture of Object.values(pictures)) picture.draw();
    if (now - shown > 1000 && state.calls && state.probe) {
      shown = now;
      const mean = timed(), block = (1000 * MODEL.frames * MODEL.hop) / MODEL.rate;
      by("call").textContent = milliseconds(mean);
      by("load").textContent = `${((100 * mean) / block).toFixed(0)} %`;
      by("load").classList.toggle("bad", mean > block);
      by("load-note").textContent = mean > block ? "this computer cannot keep up" : `${(block / mean).toFixed(mean > block / 10 ? 1 : 0)} times as fast as needed`;
      by("activity").textContent = state.activity.toFixed(2);
      by("underruns").textContent = String(state.underruns);
      by("underruns").classList.toggle("bad", state.underruns > 0);
      const context = state.context, here = 1000 * ((context.baseLatency || 0) + (context.outputLatency || 0));
      by("latency-here").textContent = here ? `+ ${here.toFixed(0)} ms of this browser` : "";
    }
  }
  requestAnimationFrame(follow);
}

// -- keys, buttons, dropped files --------------------------------------------------------------------------------------

by("microphone").addEventListener("click", listen);
by("open").addEventListener("click", () => by("file").click());
by("stop").addEventListener("click", async () => { if (!past(await next())) tell("Stopped."); });
by("download").addEventListener("click", download);
by("file").addEventListener("change", () => {
  const [file] = by("file").files;
  by("file").value = "";
  if (file) play(file);
});
by("limit").addEventListener("input", showLimit);
by("noisy").addEventListener("click", () => hear(false));
by("denoised").addEventListener("click", () => hear(true));

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const key = event.key.toLowerCase(), inSwitch = event.target.closest && event.target.closest(".switch");
  const buttons = { m: "microphone", o: "open", s: "stop", d: "download" };
  if (key === " ") {
    event.preventDefault();  // the one key that switches, wherever the focus is
    if (!event.repeat) hear(!state.denoised);
  } else if (inSwitch && key.startsWith("arrow")) {
    event.preventDefault();
    hear(!state.denoised);
    by(state.denoised ? "denoised" : "noisy").focus();
  } else if (buttons[key] && !event.repeat) {
    by(buttons[key]).click();
  }
});
document.addEventListener("keyup", (event) => { if (event.key === " ") event.preventDefault(); });

let inside = 0;
document.addEventListener("dragenter", (event) => { event.preventDefault(); inside += 1; by("drop").hidden = false; });
document.addEventListener("dragleave", () => { inside -= 1; if (inside <= 0) { inside = 0; by("drop").hidden = true; } });
document.addEventListener("dragover", (event) => event.preventDefault());
document.addEventListener("drop", (event) => {
  event.preventDefault();
  inside = 0;
  by("drop").hidden = true;
  const [file] = event.dataTransfer.files;
  if (file) play(file);
  else tell("What was dropped is no file.", true);
});

WebAssembly.instantiate(WEBASSEMBLY).then(({ instance }) => { state.probe = new Denoiser(instance); });
if (MODEL.limit !== null) by("limit").value = Math.min(NO_LIMIT, Math.round(MODEL.limit));
describe();
hear(true);
showLimit();
requestAnimationFrame(follow);
