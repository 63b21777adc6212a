"""Names that options take, written out here: to read them from the typed sections takes longer than all of `--help`."""

from sezoo.config.registries import METRICS as REGISTRY

__all__ = ["BENCHMARK_TARGETS", "METRICS", "PLAYS"]

METRICS = (*(name for name in REGISTRY.own if not name.startswith("dnsmos_")), "dnsmos")
PLAYS = ("whole", "patches", "board", "stream")
BENCHMARK_TARGETS = ("host", "cortex-m55", "cortex-m7", "cortex-m4", "cortex-m33", "stedgeai")
