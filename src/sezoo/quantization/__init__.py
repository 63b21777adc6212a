"""Float ONNX model and noisy recordings in, two int8 QDQ models out.

`service` is the way through: `preparation` -> `calibration` (`histogram`) -> `qdq` -> `static_shape` ->
`verification`.
"""
