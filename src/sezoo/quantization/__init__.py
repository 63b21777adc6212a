"""Float ONNX model and noisy recordings in, two int8 QDQ models out.

`service` is the way through: `preparation` -> `magnitudes` (of `clips`) -> `calibration` (`histogram`) -> `plan`, which
`recovery` makes better and `qdq` writes -> `target` (its rules) -> `layer_report`, `length_advice` -> `static_shape` ->
`verification`.
"""
