"""Evaluating and denoising: CPU time, wall time and peak memory.

    python benchmarks/evaluation.py

60 clips, 268.7 s of 48 kHz audio, scored with the metrics of the reference service; then an hour of sound denoised.
The clips are the test pairs of ../shared where they are there, else the demo's, strung together. Reference service on
a like machine: 15.7 CPU s, 16.7 s wall for the 60 clips, and the noisy clips are not scored.
"""

import argparse
import os
import tempfile
from pathlib import Path

import numpy as np
import soundfile
import soxr

from measure import MODEL, ROOT, SEZOO, cost_of, make_clips

SHARED = ROOT.parent / "shared" / "data" / "voicebank_demand_p232"
DEMO = ROOT / "src" / "sezoo" / "demo" / "recordings"
CLIPS, SECONDS = 60, 268.7

YAML = f"""
operation_mode: evaluation
model: {{onnx_path: {MODEL.as_posix()}}}
dataset: {{name: valentini, root_folder: set}}
preprocessing: {{sample_rate: 16000, n_fft: 512, hop_length: 160, win_length: 400}}
evaluation: {{metrics: [pesq, stoi, snr, si_snr, mse]}}
mlflow: {{uri: }}
"""


def main():
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        os.environ["XDG_CACHE_HOME"] = str(folder / "cache")
        make_test_set(folder / "set")
        (folder / "user_config.yaml").write_text(YAML, encoding="utf-8")
        for name, words in (
            ("60 clips, first time", []),
            ("60 clips, again: the noisy clips' scores are remembered", []),
            ("60 clips, one worker", ["evaluation.num_workers=1"]),
        ):
            tell(name, [SEZOO, *words], folder)
        for seconds in (60, 3600):
            make_clips(folder / "hour", 1, seconds)
            for play in ("whole", "board"):
                command = [SEZOO, "denoise", "hour", "-m", MODEL, "--play-like", play, "--overwrite"]
                tell(f"denoise {seconds} s, {play}", command, folder)


def tell(name, command, folder):
    cost = cost_of(command, folder)
    print(f"{name:60s} {cost}", flush=True)
    if cost.exit_code:
        print((folder / "output.txt").read_text(encoding="utf-8"))


def make_test_set(folder):
    """60 pairs of 4.48 s at 48 kHz, in Valentini's folders."""
    source = SHARED if SHARED.is_dir() else DEMO
    names = sorted(path.name for path in (source / "noisy_testset").iterdir())
    samples = round(SECONDS / CLIPS * 16000)
    for kind in ("noisy", "clean"):
        (folder / f"{kind}_testset_wav").mkdir(parents=True)
        sound, position = np.zeros(0, np.float32), 0
        for clip in range(CLIPS):
            while len(sound) < samples:
                wave = soundfile.read(source / f"{kind}_testset" / names[position % len(names)], dtype="float32")[0]
                sound, position = np.concatenate([sound, wave]), position + 1
            piece, sound = np.split(sound, [samples])
            target = folder / f"{kind}_testset_wav" / f"clip_{clip:03d}.wav"
            soundfile.write(target, soxr.resample(piece, 16000, 48000), 48000)


if __name__ == "__main__":
    main()
