"""What int8 costs and what wins it back: the table of docs/accuracy.md.

    SPEECH=... NOISE=... NOISY=... CLEAN=... python benchmarks/accuracy.py [--models stft_tcnn_medium utcn]
        [--rows NAME ...] [--every N] [--keep FOLDER]

SPEECH and NOISE are folders of recordings that 100 calibration clips are mixed of, NOISY and CLEAN those of the test
pairs. Each row is quantized by the command `sezoo` with the model's own `quantization.yaml`, and scored on all test
pairs, or on one in N of them, drawn at random: the set's SNRs follow each other in the files' order. Prints one line of
Markdown a row: PESQ and SI-SNR against the float model, which sees whole clips, the closeness that the run itself
reports, seconds and peak memory of the quantization.
"""

import argparse
import json
import multiprocessing
import os
import sys
import tempfile
from pathlib import Path

import numpy as np

from measure import ROOT, SEZOO, cost_of

ZOO = ROOT / "src" / "sezoo" / "zoo"
STEPS = ("int16_input", "split_input", "equalization", "ranges", "rounding", "bias_correction")


def settings(target, recovery="auto"):
    return [f"++quantization.target={target}", f"++quantization.accuracy_recovery={recovery}"]


ROWS = {
    "onnxruntime, plain": settings("generic", "none"),
    **{f"{step} alone": settings("generic", step) for step in STEPS},
    "`generic`, whole clips": settings("generic"),
    "`cortex-m`, whole clips": settings("cortex-m"),
    "`cortex-m`, in patches": settings("cortex-m"),
    "one int8 input (`stm32n6`), plain": settings("stm32n6", "none"),
    "`stm32n6`, whole clips": settings("stm32n6"),
}
LOOKAHEAD = {"stft_tcnn_medium": 14, "utcn": 16, "utcn_small": 16}
NEW_FRAMES = 30


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=["stft_tcnn_medium", "utcn"], choices=sorted(LOOKAHEAD))
    parser.add_argument("--rows", nargs="+", default=list(ROWS), choices=list(ROWS), metavar="ROW")
    parser.add_argument(
        "--every", type=int, default=1, metavar="N", help="score one in N test pairs, the same ones every time"
    )
    parser.add_argument("--keep", type=Path, help="folder for the runs; the default is a temporary one")
    options = parser.parse_args()
    pairs = test_pairs(options.every)
    with tempfile.TemporaryDirectory() as temporary:
        folder = (options.keep or Path(temporary)).resolve()
        # All quantizing first: what it costs is measured until no child process is left, and scoring leaves one.
        costs = {(name, row): quantize(name, row, folder) for name in options.models for row in options.rows}
        for name in options.models:
            print(f"\n**{name}**, {len(pairs)} test pairs\n")
            print("| | PESQ | against float | SI-SNR | against float | closeness | s | MiB |")
            print("|---|---|---|---|---|---|---|---|")
            reference = scores(ZOO / name / f"{name}.onnx", pairs, None)
            print(f"| float | {reference[0]:.3f} | | {reference[1]:.2f} | | | | |", flush=True)
            for row in options.rows:
                print(line_of(name, row, folder, pairs, reference, costs[name, row]), flush=True)


def run_folder(name, row, folder):
    return folder / name / "".join(letter if letter.isalnum() else "_" for letter in row)


def quantize(name, row, folder):
    """Quantize as a row says, unless that is done; what it cost, or why it failed."""
    run = run_folder(name, row, folder)
    if (run / "saved_models").exists():
        return " | "
    run.parent.mkdir(parents=True, exist_ok=True)
    words = [SEZOO, "--config-path", ZOO / name, "--config-name", "quantization", "operation_mode=quantization"]
    words += [f"model.onnx_path={ZOO / name / name}.onnx", f"hydra.run.dir={run}"]
    spent = cost_of([*words, *ROWS[row]], run.parent)
    if spent.exit_code:
        reason = (run.parent / "output.txt").read_text(encoding="utf-8").splitlines()[-1]
        raise SystemExit(f"{name}, {row}: {reason}")
    print(f"{name}, {row}: {spent}", file=sys.stderr, flush=True)
    return f"{spent.wall_s:.0f} | {spent.peak_mib:.0f}"


def line_of(name, row, folder, pairs, reference, cost):
    """Score a row."""
    run = run_folder(name, row, folder)
    in_patches = LOOKAHEAD[name] if "patches" in row else None
    file = run / "saved_models" / f"quantized_model_int8{'' if in_patches is None else '_static'}.onnx"
    pesq, si_snr = scores(file, pairs, in_patches)
    report = json.loads((run / "quantization_report.json").read_text(encoding="utf-8"))
    return (
        f"| {row} | {pesq:.3f} | {pesq - reference[0]:+.3f} | {si_snr:.2f} | {si_snr - reference[1]:+.2f} | "
        f"{report['closeness']:.1f} dB | {cost} |"
    )


# -- scoring -----------------------------------------------------------------------------------------------


def test_pairs(every):
    """Paths of noisy and clean recordings, one in so many of them.

    They are drawn, not counted off: where four SNRs follow each other in the files' order, as in Valentini's set, every
    fourth clip has one and the same.
    """
    noisy, clean = Path(os.environ["NOISY"]), Path(os.environ["CLEAN"])
    paths = sorted(noisy.iterdir())
    drawn = np.sort(np.random.default_rng(0).permutation(len(paths))[: -(-len(paths) // every)])
    return [(paths[index], clean / paths[index].name) for index in drawn]


def scores(model, pairs, lookahead):
    """Mean PESQ and SI-SNR of a model's denoised recordings: whole clips, or patches with so much look-ahead."""
    workers = multiprocessing.get_context("spawn").Pool(initializer=begin, initargs=(model, lookahead))
    with workers:
        return np.mean(workers.map(score, pairs, chunksize=4), axis=0)


def begin(model, lookahead):
    global denoised  # of a worker process
    from sezoo.audio.stft import Stft
    from sezoo.denoising import Patches, WholeClip, denoise
    from sezoo.models.mask_model import MaskModel

    masks, stft = MaskModel(model), Stft()
    play = WholeClip() if lookahead is None else Patches(NEW_FRAMES, lookahead)

    def denoised(wave):
        return denoise(wave, masks, stft, play)


def score(pair):
    from sezoo.audio.clip import read_clip
    from sezoo.metrics import score_clip

    noisy, clean = (read_clip(path, 16000) for path in pair)
    found, _ = score_clip(clean, denoised(noisy), 16000, ("pesq", "si_snr"))
    return found["pesq"], found["si_snr"]


if __name__ == "__main__":
    main()
