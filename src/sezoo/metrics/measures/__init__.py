"""The metrics: each file is one, and has its name. A new file is a new metric, and nothing else has to know of it."""
