"""Assembly of the report, and its summary for the log."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from sezoo.base.text import shorten_middle
from sezoo.quantization.analysis.advice import weaknesses
from sezoo.quantization.analysis.layers import layers_of, macs_shares, operators_in_float
from sezoo.quantization.analysis.range_convergence import convergence
from sezoo.quantization.analysis.sensitivity import log_sensitivity
from sezoo.quantization.analysis.tensors import measure_tensors
from sezoo.quantization.calibration.segments import Segment
from sezoo.quantization.fidelity.context import RecoveryContext
from sezoo.quantization.recovery.recipe import RecoveryResult, decibels
from sezoo.results.quantization import LayerReport

__all__ = ["layer_report", "log_report"]

log = logging.getLogger(__name__)

MOST_EXCERPTS = 8
"""SQNR is known from few."""

HEADINGS = ("what rounds worst", "made by", "SQNR", "saturated")
"""All the rest is in the file and on the page; a line has to fit 80 columns behind its time and level."""

LONGEST = 28
"""Characters of a name in the log."""


def layer_report(
    recovered: RecoveryResult, context: RecoveryContext, segments: Sequence[Segment], *, measured: bool = True
) -> LayerReport:
    """Look into the final int8 model.

    Parameters
    ----------
    segments : at least one; some of them, spread evenly, are run.
    measured : look into its activations as well; otherwise there are the totals and the layers only.
    """
    plan, model = recovered.plan, recovered.model
    magnitudes = [segment.magnitude for segment in segments[:: -(-len(segments) // MOST_EXCERPTS)]]
    tensors = tuple(measure_tensors(plan, model, context.call_frames, magnitudes)) if measured else ()
    layers = tuple(layers_of(plan, model, context.call_frames, magnitudes[0]))
    return LayerReport(
        tensors,
        layers,
        tuple(weaknesses(plan, context, tensors, layers)) if measured else (),
        macs_shares(layers),
        operators_in_float(plan),
        model.ByteSize(),
        recovered.plain,
        recovered.closeness,
        recovered.steps,
        convergence(plan, context) if measured else None,
    )


# -- the log ---------------------------------------------------------------------------------------------


def log_report(report: LayerReport) -> None:
    """Tell the totals and whether more clips are needed, and with --verbose the worst tensors."""
    by_name = {tensor.name: tensor for tensor in report.tensors}
    rows = [HEADINGS] if report.worst else []
    for weakness in report.worst:
        is_weights = weakness.what == "weights"
        saturated = "" if is_weights else f"{100 * by_name[weakness.name].saturated:.2g} %"
        what = "weights of " if is_weights else ""
        name = what + shorten_middle(weakness.name, LONGEST - len(what))
        rows.append((name, weakness.made_by, f"{weakness.sqnr:.1f} dB", saturated))
    for line in _align_columns(rows) if rows else ():
        log.debug("  %s", line)
    if report.worst:
        log.debug("worst is '%s': %s", report.worst[0].name, report.worst[0].advice)
    shares = ", ".join(f"{100 * share:.1f} % in {name}" for name, share in sorted(report.macs_shares.items()))
    in_float = ", ".join(f"{count} {kind}" for kind, count in report.in_float.items())
    log.info(
        "multiply-accumulates: %s; fidelity to float %s (plain int8: %s)%s",
        shares or "unknown", decibels(report.closeness), decibels(report.plain),
        f"; in float: {in_float}" if in_float and not report.mostly_in_float else "",
    )  # fmt: skip
    if (found := report.convergence) is not None:
        log.log(logging.DEBUG if found.enough else logging.INFO, "%s", found.sentence)
    log_sensitivity(report.sensitivity)


def _align_columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of columns: words to the left, numbers to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    formats = [f"{{:{'<' if place < 2 else '>'}{width}}}" for place, width in enumerate(widths)]
    return ["  ".join(formats).format(*row).rstrip() for row in rows]
