"""Speed and memory of models, in one table for all kinds of measurement."""
