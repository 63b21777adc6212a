"""Reading a static QDQ model into the integer operators of `sezoo.deployment.integer_graph`."""

from sezoo.deployment.qdq_reader.reader import integer_graph_of

__all__ = ["integer_graph_of"]
