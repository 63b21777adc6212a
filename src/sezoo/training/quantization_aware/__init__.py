"""Fine-tuning with the integers that quantization writes: a QDQ graph as a torch network.

`operators` computes what ONNX operators compute, `rounding` rounds with a gradient, `network` is the graph with its
weights and scales as parameters.
"""
