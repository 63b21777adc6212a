"""Graphs in, graphs out: `preparation` of the float model, `static_shape`, and `qdq`, which writes the int8 models that
`verification` runs.
"""
