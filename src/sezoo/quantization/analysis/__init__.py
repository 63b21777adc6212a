"""What int8 costs where: each activation's range and rounding, each layer's weights, and what could be done about it.

`report` puts it together, for the file of `sezoo.results.quantization`, and tells it: `quantizers` -> `tensors` and
`layers` -> `advice`, and beside them `range_convergence`.

Ratios of signal to quantization noise (SQNR) are of powers, in dB. A tensor's own is that of its rounding alone, on
the values that come to it in the int8 model; the accumulated one is against the same tensor of the float model.
"""

from sezoo.quantization.analysis.report import layer_report, log_report

__all__ = ["layer_report", "log_report"]
