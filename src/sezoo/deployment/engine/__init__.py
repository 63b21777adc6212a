"""Integer inference as on the chip: `qdq_reader` builds an `integer_graph`, `interpreter` runs it in NumPy.

`stream_plan` and `memory_plan` determine how the C package computes the same with little memory.
"""
