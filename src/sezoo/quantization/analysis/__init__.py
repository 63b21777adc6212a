"""Analysis of quantization errors: ranges and rounding of activations, weights of layers, and advice.

`report` puts it together, for the file of `sezoo.results.quantization`, and tells it: `quantizers` -> `tensors` and
`layers` -> `advice`, and beside them `range_convergence`.

Ratios of signal to quantization noise (SQNR) are of powers, in dB. A tensor's own is that of its rounding alone, on
the values that come to it in the int8 model; the accumulated one is against the same tensor of the float model.
"""

from sezoo.quantization.analysis.report import layer_report, log_report

__all__ = ["layer_report", "log_report"]
