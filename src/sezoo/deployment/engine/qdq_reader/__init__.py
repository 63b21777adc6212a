"""Conversion of a static QDQ model to the integer operators of `sezoo.deployment.engine.integer_graph`."""

from sezoo.deployment.engine.qdq_reader.static_model import integer_graph_of

__all__ = ["integer_graph_of"]
