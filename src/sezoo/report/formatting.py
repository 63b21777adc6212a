"""Numbers as the report writes them."""

from __future__ import annotations

from sezoo.base.text import bytes_text
from sezoo.config.metric_facts import facts_of_metric
from sezoo.results.run_results import ProgramSize
from sezoo.results.scores import Mean

__all__ = [
    "MINUS",
    "NOTHING",
    "change_text",
    "change_tone",
    "db_text",
    "format_signed",
    "interval_text",
    "join_words",
    "margin_text",
    "mean_text",
    "percent_text",
    "ram_parts_text",
    "range_text",
]

MINUS = "\N{MINUS SIGN}"
NOTHING = "\N{EN DASH}"
"""In the cell of a table where there is no value."""


def ram_parts_text(size: ProgramSize) -> str:
    """Return the parts of a program's RAM, `21.7 KiB working memory, 33 KiB state, 964 B stack, 4.6 KiB buffers`."""
    parts = {"working memory": size.arena, "state": size.state, "stack": size.stack}
    known = {name: part for name, part in parts.items() if part}
    if len(known) == len(parts) and (rest := size.ram - sum(known.values())) > 0:
        known["buffers"] = rest
    return ", ".join(f"{bytes_text(part)} {name}" for name, part in known.items())


def percent_text(share: float | None) -> str:
    """`4.2 %`, `137 %`, `<0.01 %`."""
    if share is None:
        return ""
    if 0 < share < 1e-4:
        return "<0.01 %"
    return f"{100 * share:.2g} %" if share < 0.0995 else f"{100 * share:.0f} %"


def db_text(value: float | None) -> str:
    """`29.3`; nothing where it is unknown."""
    return "" if value is None else f"{value:.1f}"


def interval_text(low: str, high: str) -> str:
    """`+0.01 to +0.03`; a narrow column may break it before `to`."""
    return f"{low} to\N{NO-BREAK SPACE}{high}"


def range_text(low: float | None, high: float | None) -> str:
    """`-7.8 to 14`; nothing where it is unknown."""
    if low is None or high is None:
        return ""
    tiny = 1e-4 * (high - low)
    low, high = (0.0 if abs(end) < tiny else end for end in (low, high))
    return interval_text(f"{low:.3g}", f"{high:.3g}").replace("-", MINUS)


def mean_text(mean: Mean | None, metric: str) -> str:
    """A mean without its interval."""
    return "" if mean is None else facts_of_metric(metric).form.format(mean.value)


def margin_text(mean: Mean, metric: str) -> str:
    """Half the width of the interval, `±0.02`; nothing for a single clip."""
    return f"±{facts_of_metric(metric).form.format((mean.high - mean.low) / 2)}" if mean.clips > 1 else ""


def change_text(mean: Mean | None, metric: str) -> str:
    """A change, with its sign."""
    return "" if mean is None else format_signed(mean.value, facts_of_metric(metric).form)


def format_signed(value: float, form: str) -> str:
    """A value with its sign, `+0.3`, `-0.3`; without one where only zeros would be seen, `0.0`, or `0` for `0e+00`."""
    text = form.format(abs(value))
    if not text.strip("0.e+-"):
        return "0" if "e" in text else text
    return f"{'+' if value > 0 else MINUS}{text}"


def change_tone(mean: Mean | None, metric: str) -> str:
    """Whether a change is good or bad; nothing where its interval has zero in it."""
    if mean is None or mean.may_be_zero:
        return ""
    return "good" if (mean.value > 0) == facts_of_metric(metric).higher_is_better else "bad"


def join_words(words: list[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]])) if words else ""
