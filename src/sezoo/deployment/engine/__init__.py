"""The arithmetic of the chip: `qdq_reader` makes an `integer_graph` of an int8 model, `interpreter` runs it in NumPy.

`stream_plan` and `memory_plan` say how the C package does the same in little memory.
"""
