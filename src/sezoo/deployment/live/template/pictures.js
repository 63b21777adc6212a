// Moving spectrograms and level meters.

// The colours of a level from 0 to 1: dark, violet, orange, light; even in lightness for colour-blind eyes.
const COLOURS = (() => {
  const stops = [[4, 2, 13], [45, 17, 88], [116, 31, 109], [188, 55, 84], [237, 105, 37], [251, 180, 26], [252, 254, 190]];
  return Array.from({ length: 256 }, (_, level) => {
    const place = (level / 255) * (stops.length - 1), low = Math.min(stops.length - 2, Math.floor(place));
    return stops[low].map((from, channel) => Math.round(from + (place - low) * (stops[low + 1][channel] - from)));
  });
})();

const QUIETEST = -92, LOUDEST = -22;  // dB of full scale, of a bin

// Power of the bins of a windowed frame, by a Fourier transform of a power of two.
class Spectrum {
  constructor(nFft, window) {
    this.size = nFft;
    this.window = Float64Array.from({ length: window }, (_, i) => 0.5 - 0.5 * Math.cos((2 * Math.PI * i) / window));
    this.scale = 4 / (window * window);
    this.re = new Float64Array(nFft);
    this.im = new Float64Array(nFft);
    this.cos = Float64Array.from({ length: nFft }, (_, i) => Math.cos((2 * Math.PI * i) / nFft));
  }

  sine(i) { return this.cos[(i + (3 * this.size) / 4) % this.size]; }

  decibels(samples, first, give) {
    const { size, re, im, cos } = this;
    re.fill(0);
    im.fill(0);
    const bits = Math.log2(size);
    for (let i = 0; i < this.window.length; i += 1) {
      let place = 0;
      for (let bit = 0; bit < bits; bit += 1) place |= ((i >> bit) & 1) << (bits - 1 - bit);
      re[place] = (samples[first + i] / 32768) * this.window[i];
    }
    for (let half = 1; half < size; half *= 2) {
      const stride = size / (2 * half);
      for (let start = 0; start < size; start += 2 * half) {
        for (let k = 0; k < half; k += 1) {
          const c = cos[k * stride], s = -this.sine(k * stride), a = start + k, b = a + half;
          const x = re[b] * c - im[b] * s, y = re[b] * s + im[b] * c;
          re[b] = re[a] - x; im[b] = im[a] - y;
          re[a] += x; im[a] += y;
        }
      }
    }
    for (let k = 0; k <= size / 2; k += 1) {
      give(k, 10 * Math.log10(this.scale * 4 * (re[k] * re[k] + im[k] * im[k]) + 1e-12));
    }
  }
}

// A sound on the page: its spectrogram moves to the left, a column for each hop.
class Picture {
  constructor(figure, model) {
    this.figure = figure;
    this.canvas = figure.querySelector("canvas");
    this.meter = figure.querySelector(".meter i");
    this.level = figure.querySelector(".level");
    this.hop = model.hop;
    this.window = model.window;
    this.spectrum = new Spectrum(model.n_fft, model.window);
    this.bins = model.n_fft / 2 + 1;
    this.canvas.height = this.bins;
    this.columns = this.canvas.width;
    this.ring = document.createElement("canvas");
    this.ring.width = this.columns;
    this.ring.height = this.bins;
    this.pen = this.ring.getContext("2d");
    this.clear();
  }

  clear() {
    this.at = 0;
    this.samples = new Float32Array(this.window + 64 * this.hop);
    this.held = this.window - this.hop;
    this.power = this.counted = this.peak = 0;
    this.pen.fillStyle = "rgb(4 2 13)";
    this.pen.fillRect(0, 0, this.columns, this.bins);
    this.draw();
    this.meter.style.height = "0";
    this.level.textContent = "";
  }

  push(samples) {
    for (const sample of samples) {
      this.samples[this.held] = sample;
      this.held += 1;
      this.power += sample * sample;
      this.counted += 1;
      this.peak = Math.max(this.peak, Math.abs(sample));
      if (this.held === this.window) {
        this.column();
        this.samples.copyWithin(0, this.hop, this.window);
        this.held -= this.hop;
      }
    }
  }

  column() {
    const column = this.pen.createImageData(1, this.bins), pixels = column.data;
    this.spectrum.decibels(this.samples, 0, (k, decibels) => {
      const level = Math.round((255 * (decibels - QUIETEST)) / (LOUDEST - QUIETEST));
      const colour = COLOURS[Math.min(255, Math.max(0, level))], at = 4 * (this.bins - 1 - k);
      pixels[at] = colour[0]; pixels[at + 1] = colour[1]; pixels[at + 2] = colour[2]; pixels[at + 3] = 255;
    });
    this.pen.putImageData(column, this.at, 0);
    this.at = (this.at + 1) % this.columns;
  }

  draw() {
    const page = this.canvas.getContext("2d"), { at, columns, bins } = this;
    page.drawImage(this.ring, at, 0, columns - at, bins, 0, 0, columns - at, bins);
    if (at) page.drawImage(this.ring, 0, 0, at, bins, columns - at, 0, at, bins);
    if (this.counted < 2 * this.hop) return;
    const decibels = 10 * Math.log10(this.power / this.counted / 2 ** 30 + 1e-10);
    this.meter.style.height = `${Math.min(100, Math.max(0, ((decibels + 70) / 70) * 100))}%`;
    this.meter.classList.toggle("loud", this.peak >= 32700);
    this.level.textContent = this.peak ? `${Math.round(decibels)} dBFS` : "silence";
    this.power = this.counted = this.peak = 0;
  }
}
