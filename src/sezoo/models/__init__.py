"""ONNX models: `source` and `download` get one, `contract` and `mask_model` are what the rest sees of it.

`onnx_checks` -> `onnx_valid_graph` -> `onnx_trial` are the door it comes in by; the others answer questions about its
graph.
"""
