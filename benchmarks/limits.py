"""What keeps a denoiser's scores down: parts of the ideal mask put into a model's own, on held-out mixtures.

    SPEECH=... NOISE=... python benchmarks/limits.py [MODEL ...] [--speech PART] [--clips N]

SPEECH and NOISE are folders of recordings; those that a training with `dataset: {name: mix}` would hold out are mixed
at 2.5 to 17.5 dB. MODEL is a float model for 16 kHz and an n_fft of 512; the default is the shipped models of low
latency. Prints two Markdown tables: scores with parts of the ideal mask or with the clean phase, and the error's power
by bands in percent of the clean speech's.

The ideal mask knows the clean clip: of all masks between 0 and 1 it leaves the smallest error, the noisy phase being as
it is (Erdogan et al., "Phase-sensitive and recognition-boosted speech separation using deep recurrent neural networks",
ICASSP 2015). The constant one is the best gain of each bin of each clip (Wiener's), so no network that follows the
sound.
"""

import argparse
import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from sezoo.audio.stft import Stft
from sezoo.config.sections import Dataset, Preprocessing
from sezoo.data.mixing.train_holdout import make_mixed_examples, train_holdout_split
from sezoo.metrics import METRICS
from sezoo.models.mask_model import MaskModel
from sezoo.models.onnx_file import load_onnx

ZOO = Path(__file__).parents[1] / "src" / "sezoo" / "zoo"
MODELS = [ZOO / name / f"{name}.onnx" for name in ("utcn_live", "utcn_live_small", "ugru")]
RATE, STFT = 16_000, Stft(512, 160, 400)
SNR_RANGE = (2.5, 17.5)
SCORES = ("pesq", "stoi", "si_snr")
BANDS = {"0 to 31 Hz": (0, 2), "62 to 94 Hz": (2, 4), "125 to 219 Hz": (4, 8), "from 250 Hz": (8, 257)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", type=Path, default=MODELS, metavar="MODEL")
    parser.add_argument("--speech", default="", metavar="PART", help="only recordings with this in their path")
    parser.add_argument("--clips", type=int, default=64, metavar="N", help="mixtures (default: 64)")
    options = parser.parse_args()
    clips = mixtures(options.speech, options.clips)
    masks = {path.stem: masks_of(path, clips) for path in options.models}
    for line in (*scores_table(clips, masks), "", *bands_table(clips, masks)):
        print(line)


def mixtures(part, count):
    """Noisy and clean waveforms of recordings that are held out."""
    dataset = Dataset(
        name="mix", speech_path=os.environ["SPEECH"], noise_path=os.environ["NOISE"], snr_range=SNR_RANGE,
        clip_seconds=3.0,
    )  # fmt: skip
    config = SimpleNamespace(dataset=dataset, preprocessing=Preprocessing(sample_rate=RATE))
    _, held_out = train_holdout_split(config)
    chosen = [index for index, path in enumerate(held_out.speech.paths) if part in path.as_posix()]
    held_out = held_out._replace(speech=held_out.speech.subset(chosen))
    examples = make_mixed_examples(config, held_out, count=count, seed=0, always_the_same=True)
    return [examples.example(0, index) for index in range(count)]


def masks_of(path, clips):
    model = MaskModel(load_onnx(path), path)
    return [model(np.abs(STFT.analyse(noisy))[None])[0] for noisy, _ in clips]


def ideal_mask(clean, noisy):
    """The best masks from 0 to 1 for spectra (bins, frames)."""
    return np.clip(agreement(clean, noisy) / np.maximum(np.abs(noisy) ** 2, 1e-12), 0, 1)


def constant_mask(clean, noisy):
    """The best gains from 0 to 1 that do not change: (bins, 1)."""
    power = np.maximum((np.abs(noisy) ** 2).sum(1, keepdims=True), 1e-12)
    return np.clip(agreement(clean, noisy).sum(1, keepdims=True) / power, 0, 1)


def agreement(clean, noisy):
    return (clean * noisy.conj()).real


def scores_table(clips, masks):
    rows = {
        "noisy": lambda clean, noisy, mask: noisy,
        "ideal mask": lambda clean, noisy, mask: ideal_mask(clean, noisy) * noisy,
    }
    yield "| | " + " | ".join(METRICS[name].facts.label for name in SCORES) + " |"
    yield "|---" * (len(SCORES) + 1) + "|"
    for name, change in rows.items():
        yield scores_row(name, clips, [None] * len(clips), change)
    for name, own in masks.items():
        yield scores_row(name, clips, own, lambda clean, noisy, mask: mask * noisy)
        for last in (2, 4, 8):
            title = f"... ideal mask up to {(last - 1) * RATE / STFT.n_fft:.0f} Hz"
            yield scores_row(title, clips, own, lambda *parts, last=last: with_ideal_bins(*parts, last))
        yield scores_row("... clean phase", clips, own, with_clean_phase)


def with_ideal_bins(clean, noisy, mask, last):
    mask = mask.copy()
    mask[:last] = ideal_mask(clean, noisy)[:last]
    return mask * noisy


def with_clean_phase(clean, noisy, mask):
    return mask * np.abs(noisy) * np.exp(1j * np.angle(clean))


def scores_row(name, clips, masks, change):
    scores = []
    for (noisy, clean), mask in zip(clips, masks, strict=True):
        spectrum = change(STFT.analyse(clean), STFT.analyse(noisy), mask)
        denoised = STFT.synthesise(spectrum.astype(np.complex64), len(noisy))
        scores.append([METRICS[score](clean, denoised, RATE) for score in SCORES])
    pesq, stoi, si_snr = np.mean(scores, 0)
    return f"| {name} | {pesq:.3f} | {stoi:.4f} | {si_snr:.2f} |"


def bands_table(clips, masks):
    spectra = [(STFT.analyse(clean), STFT.analyse(noisy)) for noisy, clean in clips]
    yield "| % of the clean power, mean and median of the clips | " + " | ".join(BANDS) + " |"
    yield "|---" * (len(BANDS) + 1) + "|"
    yield bands_row("clean", spectra, [clean for clean, _ in spectra])
    yield bands_row("noise", spectra, [noisy - clean for clean, noisy in spectra])
    for name, own in masks.items():
        yield bands_row(f"error of {name}", spectra, errors(spectra, own))
    for name, mask in (("a constant mask", constant_mask), ("the ideal mask", ideal_mask)):
        yield bands_row(f"error of {name}", spectra, errors(spectra, [mask(*pair) for pair in spectra]))


def errors(spectra, masks):
    return [mask * noisy - clean for (clean, noisy), mask in zip(spectra, masks, strict=True)]


def bands_row(name, spectra, parts):
    cells = []
    for first, last in BANDS.values():
        shares = [
            100 * (np.abs(part[first:last]) ** 2).sum() / (np.abs(clean) ** 2).sum()
            for part, (clean, _) in zip(parts, spectra, strict=True)
        ]
        cells.append(f"{np.mean(shares):.2f}, {np.median(shares):.2f}")
    return f"| {name} | " + " | ".join(cells) + " |"


if __name__ == "__main__":
    main()
