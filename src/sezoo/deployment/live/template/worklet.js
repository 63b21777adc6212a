// In the audio thread: the sound of the context goes through the denoiser, block by block, and one of the two is heard.
const FADE_SECONDS = 0.02;
const CALLS_A_MESSAGE = 4;

class Live extends AudioWorkletProcessor {
  constructor(options) {
    super();
    const { module, rate, limit, denoised } = options.processorOptions;
    this.denoiser = new Denoiser(new WebAssembly.Instance(new WebAssembly.Module(module)));
    this.denoiser.c.limit(limit);
    this.size = this.denoiser.size;
    this.into = new Resampler(sampleRate, rate);
    this.outOf = new Resampler(rate, sampleRate);
    this.filled = 0;  // samples of the block that comes in
    this.late = new Queue(this.denoiser.delay + 1, Int16Array);  // the input, as late as the output
    for (let i = 0; i < this.denoiser.delay; i += 1) this.late.push(0);
    const ratio = sampleRate / rate;
    const spare = this.into.same ? 0 : Math.ceil((2 * this.into.taps + 128) / Math.min(1, ratio)) + 256;
    const waiting = Math.ceil(this.size * ratio) + spare;
    this.ready = new Queue(8 * waiting + 8192);
    for (let i = 0; i < waiting; i += 1) this.ready.push(0);
    this.share = this.wanted = denoised ? 1 : 0;  // of the denoised sound in what is heard
    this.fade = 1 / (FADE_SECONDS * rate);
    this.underruns = 0;
    this.running = true;
    this.clear();
    this.port.onmessage = ({ data }) => {
      if ("limit" in data) this.denoiser.c.limit(data.limit);
      if ("denoised" in data) this.wanted = data.denoised ? 1 : 0;
      if (data.stop) this.running = false;
    };
  }

  clear() {
    this.noisy = new Int16Array(this.size * CALLS_A_MESSAGE);
    this.denoised = new Int16Array(this.size * CALLS_A_MESSAGE);
    this.calls = 0;
    this.active = 0;
  }

  call() {
    const { denoiser, size } = this, at = this.calls * size;
    this.noisy.set(denoiser.input, at);
    denoiser.c.process();
    this.active += denoiser.c.activity();
    this.denoised.set(denoiser.output, at);
    for (let i = 0; i < size; i += 1) {
      this.late.push(this.noisy[at + i]);
      const dry = this.late.shift(), wet = denoiser.output[i];
      if (this.share < this.wanted) this.share = Math.min(this.wanted, this.share + this.fade);
      if (this.share > this.wanted) this.share = Math.max(this.wanted, this.share - this.fade);
      this.outOf.push((dry + this.share * (wet - dry)) / 32768, (sample) => this.ready.push(sample));
    }
    this.calls += 1;
    if (this.calls === CALLS_A_MESSAGE) this.report();
  }

  report() {
    const { noisy, denoised, underruns, calls, active } = this;
    const message = { noisy, denoised, underruns, calls, activity: active / calls };
    this.port.postMessage(message, [noisy.buffer, denoised.buffer]);
    this.clear();
  }

  process(inputs, outputs) {
    const channels = inputs[0], output = outputs[0][0];
    for (let i = 0; i < output.length; i += 1) {
      let sample = 0;
      for (const channel of channels) sample += channel[i] / channels.length;
      this.into.push(sample, (one) => {
        this.denoiser.input[this.filled] = toInt16(one);
        this.filled += 1;
        if (this.filled === this.size) { this.filled = 0; this.call(); }
      });
    }
    if (this.ready.length < output.length) this.underruns += 1;
    for (let i = 0; i < output.length; i += 1) output[i] = this.ready.length ? this.ready.shift() : 0;
    return this.running;
  }
}

registerProcessor("sezoo-live", Live);
