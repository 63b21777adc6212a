"""Float ONNX model and noisy recordings in, two int8 QDQ models out.

`service` is the way through: `graph.preparation` -> `calibration` -> `plan`, which `recovery` makes better, judged by
`fidelity`, and `graph.qdq` writes -> `target` (its rules) -> `analysis` -> `graph.verification`.
"""
