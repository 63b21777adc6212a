"""Make the demo recordings: 40 pairs of synthesised speech with and without synthesised noise.

    python -m tools.demo_recordings OUT_DIR

The voices are eSpeak NG's, the noises are made here from seeded random numbers, so the set is free of other
people's recordings. It is laid out and mixed like VoiceBank+DEMAND (Valentini-Botinhao, 2017): 28 training
pairs at 0, 5, 10 and 15 dB, 12 test pairs at 2.5, 7.5, 12.5 and 17.5 dB with other sentences, other noise
excerpts and, in part, other voices and kinds of noise. Each pair depends on its own seed alone and can be
made without the others.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from sezoo.base.errors import UserError
from sezoo.base.files import atomic_write
from tools.demo_recordings.noises import NOISES, distant, shaped
from tools.demo_recordings.script import TEST_CLIPS, TRAIN_CLIPS, DemoClip
from tools.demo_recordings.speech import SAMPLE_RATE, speech

__all__ = ["active_power", "make_pair", "make_recordings"]

log = logging.getLogger(__name__)

SEED = 20240
LEVEL_DBFS = (-30.0, -20.0)  # RMS of the active speech
PEAK_LIMIT = 0.9  # a pair that would pass it is made quieter as a whole
ROOM_NOISE_DBFS = -75.0  # a recording holds no digital silence; eSpeak's pauses are exact zeros
ACTIVE_FRAME = 320  # 20 ms
ACTIVE_RANGE_DB = 30.0


def active_power(speech: np.ndarray) -> float:
    """Mean power of the 20 ms frames within 30 dB of the loudest one: the speech without its pauses.

    A plain stand-in for ITU-T P.56's active speech level, which Valentini's SNRs are set by.
    """
    frames = speech[: speech.size // ACTIVE_FRAME * ACTIVE_FRAME].reshape(-1, ACTIVE_FRAME)
    power = np.mean(np.square(frames, dtype=np.float64), axis=1)
    return float(power[power >= power.max() * 10.0 ** (-ACTIVE_RANGE_DB / 10.0)].mean())


def _pink_room(n: int, rng: np.random.Generator) -> np.ndarray:
    return shaped(n, rng, lambda f: 1.0 / np.sqrt(np.maximum(f, 100.0)))


def make_pair(clip: DemoClip) -> tuple[np.ndarray, np.ndarray]:
    """Noisy and clean recording of `clip`: int16, 16 kHz, sample-aligned; noisy - clean is the noise.

    Raises UserError when eSpeak NG is absent or does not know the voice.
    """
    rng = np.random.default_rng([SEED, clip.number])
    spoken = speech(clip, rng)
    level = 10.0 ** (rng.uniform(*LEVEL_DBFS) / 20.0)
    spoken *= level / np.sqrt(active_power(spoken))
    spoken += 10.0 ** (ROOM_NOISE_DBFS / 20.0) * _pink_room(spoken.size, rng)
    noise = distant(NOISES[clip.noise](spoken.size, rng), rng)
    noise *= np.sqrt(active_power(spoken) / np.mean(np.square(noise)) / 10.0 ** (clip.snr / 10.0))
    gain = min(1.0, PEAK_LIMIT / max(np.abs(spoken).max(), np.abs(spoken + noise).max()))
    clean = np.round(gain * spoken * 32768.0).astype(np.int16)
    noisy = clean + np.round(gain * noise * 32768.0).astype(np.int16)
    return noisy, clean


def make_recordings(out_dir: Path) -> None:
    """Write all pairs as 16-bit FLAC to `{noisy,clean}_{trainset,testset}` under `out_dir`.

    Files of the same names are replaced. Raises UserError when eSpeak NG is absent or `out_dir` cannot be
    written.
    """
    import soundfile

    for split, clips in (("trainset", TRAIN_CLIPS), ("testset", TEST_CLIPS)):
        for clip in clips:
            for kind, samples in zip(("noisy", "clean"), make_pair(clip), strict=True):
                path = out_dir / f"{kind}_{split}" / clip.name
                with atomic_write(path) as aside:
                    soundfile.write(aside, samples, SAMPLE_RATE, format="FLAC", subtype="PCM_16")
            log.info("%s: %s at %g dB", clip.name, clip.noise, clip.snr)


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line: one argument, the folder to write to. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tools.demo_recordings", description=__doc__)
    parser.add_argument("out_dir", type=Path, metavar="OUT_DIR", help="folder for the four sets")
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        make_recordings(parser.parse_args(arguments).out_dir)
    except UserError as error:
        log.error("%s", error)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
