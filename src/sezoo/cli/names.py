"""Names that options take, written out here: to read them from the typed sections takes longer than all of `--help`."""

__all__ = ["BENCHMARK_TARGETS", "METRICS", "PLAYS"]

METRICS = ("pesq", "stoi", "estoi", "snr", "si_snr", "mse", "csig", "cbak", "covl", "dnsmos")
PLAYS = ("whole", "patches", "board", "stream")
BENCHMARK_TARGETS = ("host", "cortex-m55", "cortex-m7", "cortex-m4", "cortex-m33", "stedgeai")
