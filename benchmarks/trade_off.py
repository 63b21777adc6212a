"""What PESQ is paid for with: the picture of docs/training.md.

    python benchmarks/trade_off.py [--output docs/images/trade_off.png]

Draws `trade_off.csv`: weights that were tried on the way to the shipped models, by their PESQ, SI-SNR and share of cut
speech bins on 24 mixtures that none was trained on (three seconds, 0 to 15 dB).
"""

import argparse
import csv
from itertools import groupby
from pathlib import Path

from measure import ROOT

POINTS = Path(__file__).with_suffix(".csv")
COLOURS = {"U-TCN": "#1f5fa8", "U-TCN small": "#2a9d8f", "STFT-TCNN medium": "#c2571a"}
BESIDE = {
    "start": (-14, 9),
    "30 % of the way": (-8, -16),
    "60 % of the way": (-84, -18),
    "guarded_pesq": (-18, 12),
    "guarded": (7, -13),
}
"""Where a point's name stands, in points from it, if not above on the right."""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=ROOT / "docs" / "images" / "trade_off.png", metavar="PNG")
    options = parser.parse_args()
    with POINTS.open(encoding="utf-8", newline="") as file:
        draw(list(csv.DictReader(file)), options.output)


def draw(rows, path):
    """Two charts beside each other: PESQ against SI-SNR, and against the speech that is cut."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, charts = pyplot.subplots(1, 2, figsize=(12, 4.8), layout="constrained")
    for chart, column, factor, label in (
        (charts[0], "si_snr", 1, "SI-SNR in dB (better to the right)"),
        (charts[1], "speech_cut", 100, "% of the speech bins cut by more than 6 dB (better to the right)"),
    ):
        for network, points in groupby(rows, key=lambda row: row["network"]):
            draw_network(chart, network, [(factor * float(row[column]), float(row["pesq"]), row) for row in points])
        chart.set_xlabel(label)
        chart.margins(x=0.2, y=0.1)
        chart.grid(alpha=0.25)
        chart.spines[["top", "right"]].set_visible(False)
    charts[1].invert_xaxis()
    charts[0].set_ylabel("PESQ")
    charts[0].legend(frameon=False, loc="lower left")
    figure.savefig(path, dpi=110)


def draw_network(chart, network, points):
    """Its weights with their names; those that are shipped are filled."""
    colour = COLOURS[network]
    chart.plot([], [], "o", color=colour, label=network)
    for x, pesq, row in points:
        shipped = row["shipped"] == "yes"
        chart.plot(x, pesq, "o", ms=9, mew=1.6, color=colour, mfc=colour if shipped else "white")
        chart.annotate(
            row["weights"], (x, pesq), BESIDE.get(row["weights"], (6, 5)),
            textcoords="offset points", fontsize=8.5, color=colour, weight="bold" if shipped else "normal",
        )  # fmt: skip


if __name__ == "__main__":
    main()
