"""One picture of what quantization did: spectrograms of a clip, and every clip's PESQ before and after."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from sezoo.audio.clip import read_clip
from sezoo.audio.stft import Stft, stft_of
from sezoo.base.figure_files import write_png
from sezoo.base.foreign_text import use_plain_labels
from sezoo.config.sections import Preprocessing
from sezoo.results.evaluation import Evaluation
from sezoo.results.listening import FOLDER, ListeningIndex
from sezoo.results.scores import ClipScores, Mean

__all__ = ["save_comparison"]

PICTURE = "comparison.png"
SPECTROGRAMS = {"noisy": "noisy", "float": "denoised, float32", "int8": "denoised, int8", "clean": "clean"}
"""The versions that are drawn, with their titles."""

DYNAMIC_RANGE_DB = 70
TITLE = {"fontsize": 10, "x": 0.01, "ha": "left"}
COLOURS = {"noisy": "#9aa0a6", "float": "#1f6feb", "int8": "#d1622b"}


@use_plain_labels()
def save_comparison(folder: Path, results: Evaluation, preprocessing: Preprocessing) -> Path:
    """Draw the picture of a run that has scored "float" and "int8" models on noisy and clean clips.

    Returns
    -------
    path : of the PNG file in the run's folder.

    Raises
    ------
    UserError : the run has kept no clips to listen to, or one that cannot be read.
    """
    clips = ListeningIndex.required(folder / FOLDER).clips
    shown = next((clip for clip in clips if clip.folder == "median"), clips[0])
    files = {version.name: folder / FOLDER / shown.folder / version.file for version in shown.versions}
    waveforms = {name: read_clip(files[name], preprocessing.sample_rate) for name in SPECTROGRAMS}
    scores = next(clip for clip in results.scores if clip.name == shown.name)
    from matplotlib.figure import Figure  # not pyplot: no display is needed, and no state is kept

    figure = Figure(figsize=(12, 6.4), dpi=110, layout="constrained")
    top, bottom = figure.subfigures(2, 1, height_ratios=(1, 1.05))
    _draw_spectrograms(top, scores, waveforms, stft_of(preprocessing), preprocessing.sample_rate)
    _draw_scores(bottom, results.scores, results.means)
    path = folder / PICTURE
    write_png(figure, path)
    return path


def _draw_spectrograms(
    figure, clip: ClipScores, waveforms: Mapping[str, np.ndarray], stft: Stft, sample_rate: int
) -> None:
    figure.suptitle(f"{Path(clip.name).stem}: the median clip by PESQ lost in int8", **TITLE)
    axes = figure.subplots(1, len(SPECTROGRAMS), sharex=True, sharey=True)
    levels = {name: 20 * np.log10(np.abs(stft.analyse(waveforms[name])) + 1e-7) for name in SPECTROGRAMS}
    loudest = levels["noisy"].max()
    for ax, (name, title) in zip(axes, SPECTROGRAMS.items(), strict=True):
        seconds = len(waveforms[name]) / sample_rate
        image = ax.imshow(
            levels[name],
            origin="lower",
            aspect="auto",
            extent=(0, seconds, 0, sample_rate / 2000),
            vmin=loudest - DYNAMIC_RANGE_DB,
            vmax=loudest,
            cmap="magma",
        )
        pesq = clip.scores.get(name, {}).get("pesq")
        ax.set_title(title + (f"  ·  PESQ {pesq:.2f}" if pesq is not None else ""), fontsize=10)
        ax.set_xlabel("seconds", fontsize=9)
        ax.tick_params(labelsize=8)
    axes[0].set_ylabel("kHz", fontsize=9)
    bar = figure.colorbar(image, ax=axes, pad=0.01, aspect=16)
    bar.set_label("dB", fontsize=9)
    bar.ax.tick_params(labelsize=8)


def _draw_scores(figure, clips: Sequence[ClipScores], means: Mapping[str, Mapping[str, Mean]]) -> None:
    ax = figure.subplots()
    scored = [clip for clip in clips if all("pesq" in clip.scores[name] for name in COLOURS)]
    scored.sort(key=lambda clip: clip.scores["float"]["pesq"])
    x = np.arange(len(scored))
    values = {name: np.array([clip.scores[name]["pesq"] for clip in scored]) for name in COLOURS}
    ax.vlines(x, values["int8"], values["float"], color="#c8ccd1", linewidth=3, zorder=1)
    markers = {"noisy": "_", "float": "o", "int8": "o"}
    for name, colour in COLOURS.items():
        label = f"{name}, mean {means[name]['pesq'].value:.2f}"
        ax.scatter(x, values[name], s=70, marker=markers[name], color=colour, label=label, zorder=2, linewidth=2)
    ax.set_xticks(x, [Path(clip.name).stem for clip in scored], rotation=30, ha="right", fontsize=8)
    ax.set_ylabel("PESQ (wide-band)", fontsize=9)
    figure.suptitle("All clips: PESQ of the noisy input, and denoised in float and in int8", **TITLE)
    ax.grid(axis="y", color="#e4e6e9")
    ax.set_axisbelow(True)
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(loc="upper left", frameon=False, fontsize=9)
