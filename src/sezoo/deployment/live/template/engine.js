"use strict";
// The C package in WebAssembly, and what it needs around it. Runs in the page and in its AudioWorklet.

// One denoiser: blocks of 16-bit samples in, as many out, later by `delay` samples.
class Denoiser {
  constructor(instance) {
    this.c = instance.exports;
    if (this.c._initialize) this.c._initialize();
    this.size = this.c.samples_per_call();
    this.delay = this.c.delay();
    this.input = new Int16Array(this.c.memory.buffer, this.c.input(), this.size);
    this.output = new Int16Array(this.c.memory.buffer, this.c.output(), this.size);
    this.c.begin();
  }
}

// Half to even, as the C code rounds.
function toInt16(sample) {
  const scaled = sample * 32768;
  let whole = Math.floor(scaled);
  const rest = scaled - whole;
  if (rest > 0.5 || (rest === 0.5 && whole % 2 !== 0)) whole += 1;
  return whole < -32768 ? -32768 : whole > 32767 ? 32767 : whole;
}

// Samples that wait: a ring with room for `size` of them. What is too much pushes out the oldest.
class Queue {
  constructor(size, Kind = Float32Array) {
    this.samples = new Kind(size);
    this.first = 0;
    this.length = 0;
  }

  push(sample) {
    const size = this.samples.length;
    if (this.length === size) { this.first = (this.first + 1) % size; this.length -= 1; }
    this.samples[(this.first + this.length) % size] = sample;
    this.length += 1;
  }

  shift() {
    const sample = this.samples[this.first];
    this.first = (this.first + 1) % this.samples.length;
    this.length -= 1;
    return sample;
  }
}

// Band-limited interpolation (J. O. Smith, "Digital audio resampling"), a stream of samples to another rate. The cut-off
// is that of the lower rate; a sample comes out `taps` samples late.
class Resampler {
  constructor(from, to) {
    this.step = from / to;
    this.same = from === to;
    const cutoff = 0.94 * Math.min(1, to / from), crossings = 24;
    this.taps = Math.ceil(crossings / cutoff);
    this.phases = 512;
    this.table = new Float64Array(this.taps * this.phases + 2);
    for (let i = 0; i < this.table.length; i += 1) {
      const x = i / this.phases, edge = Math.min(1, x / this.taps);
      const sinc = x === 0 ? 1 : Math.sin(Math.PI * cutoff * x) / (Math.PI * cutoff * x);
      this.table[i] = cutoff * sinc * (0.42 + 0.5 * Math.cos(Math.PI * edge) + 0.08 * Math.cos(2 * Math.PI * edge));
    }
    this.past = new Float64Array(4 * this.taps);
    this.end = 0;  // samples that have come in, of which the last ones are in the ring
    this.time = 0;  // of the next sample to give, in samples of the input
  }

  weight(distance) {
    const place = Math.abs(distance) * this.phases, low = Math.floor(place);
    if (low >= this.table.length - 1) return 0;
    return this.table[low] + (place - low) * (this.table[low + 1] - this.table[low]);
  }

  push(sample, give) {
    if (this.same) { give(sample); return; }
    const size = this.past.length;
    this.past[this.end % size] = sample;
    this.end += 1;
    while (this.time + this.taps < this.end) {
      const middle = Math.floor(this.time);
      let sum = 0;
      for (let n = Math.max(0, middle - this.taps + 1); n <= middle + this.taps; n += 1) {
        if (n < this.end) sum += this.past[n % size] * this.weight(n - this.time);
      }
      give(sum);
      this.time += this.step;
    }
  }
}
