"""One picture of an evaluation: the means with their intervals, and every clip's gain."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sezoo.base.figure_files import write_png
from sezoo.base.foreign_text import use_plain_labels
from sezoo.config.metric_facts import facts_of_metric
from sezoo.report.figures import colour_of
from sezoo.results.evaluation import Evaluation
from sezoo.results.scores import NOISY

__all__ = ["save_score_figure"]

SHOWN = ("pesq", "stoi", "si_snr", "dnsmos_ovrl", "dnsmos_sig", "dnsmos_bak")
PANELS = 3
GREY = "#8a9099"
TITLE = {"fontsize": 10, "loc": "left"}


@use_plain_labels()
def save_score_figure(path: Path, results: Evaluation) -> None:
    """Draw the picture and save it as PNG. Nothing is drawn where nothing was scored."""
    from matplotlib.figure import Figure  # not pyplot: no display is needed, and no state is kept

    scored = [metric for metric in results.metrics if metric in results.reference.means]
    metrics = sorted(scored, key=lambda m: SHOWN.index(m) if m in SHOWN else len(SHOWN))[:PANELS]
    if not metrics:
        return
    names = [NOISY, *(version.name for version in results.versions)]
    labels = ["noisy", *(version.label for version in results.versions)]
    colours = {name: colour_of(name) for name in names}
    figure = Figure(figsize=(12, 4.6 + 0.32 * len(names)), dpi=110, layout="constrained")
    top, bottom = figure.subfigures(2, 1, height_ratios=(0.9 + 0.32 * len(names), 3.4))
    title = f"Means over {results.clips} clips ({results.seconds / 60:.1f} min) with their 95 % intervals"
    top.suptitle(title, x=0.01, ha="left", fontsize=10)
    panels = top.subplots(1, len(metrics), sharey=True, squeeze=False)[0]
    for ax, metric in zip(panels, metrics, strict=True):
        _draw_means(ax, results, metric, names, labels, colours)
    _draw_gains(bottom.subplots(), results, metrics[0], names, labels, colours)
    write_png(figure, path)


def _draw_means(ax, results: Evaluation, metric: str, names, labels, colours) -> None:
    facts = facts_of_metric(metric)
    for row, name in enumerate(names):
        mean = results.means[name].get(metric)
        if mean is None:
            continue
        ax.plot([mean.low, mean.high], [row, row], color=colours[name], linewidth=2, alpha=0.6, solid_capstyle="round")
        ax.plot(mean.value, row, "o", color=colours[name], markersize=7)
        ax.annotate(
            facts.form.format(mean.value),
            (mean.value, row),
            (0, 7),
            textcoords="offset points",
            ha="center",
            fontsize=8,
        )
    ax.set_yticks(range(len(names)), labels, fontsize=9)
    ax.set_ylim(len(names) - 0.5, -0.7)
    ax.margins(x=0.12)
    _plain(ax, "x")
    ax.set_title(facts.heading, **TITLE)


def _draw_gains(ax, results: Evaluation, metric: str, names, labels, colours) -> None:
    """Each clip's gain over the noisy one, against what the noisy one has."""
    facts = facts_of_metric(metric)
    for name, label in list(zip(names, labels, strict=True))[1:]:
        both = [
            (clip.scores[NOISY][metric], clip.scores[name][metric])
            for clip in results.scores
            if metric in clip.scores[NOISY] and metric in clip.scores[name]
        ]
        if not both:
            continue
        noisy, denoised = np.array(both).T
        ax.scatter(noisy, denoised - noisy, s=16, color=colours[name], alpha=0.55, linewidth=0, label=label)
    ax.axhline(0, color=GREY, linewidth=1)
    ax.set_title(f"{facts.label} gain per clip against the noisy clip's {facts.label}", **TITLE)
    ax.set_xlabel(f"{facts.label} of the noisy clip", fontsize=9)
    ax.set_ylabel("gain", fontsize=9)
    if ax.collections:
        ax.legend(frameon=False, fontsize=9, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    _plain(ax, "both")


def _plain(ax, grid: str) -> None:
    ax.grid(axis=grid, color="#e4e6e9")
    ax.set_axisbelow(True)
    ax.tick_params(labelsize=8 if grid == "both" else 9)
    ax.spines[["top", "right"]].set_visible(False)
