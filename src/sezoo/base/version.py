"""The version of the package, as its metadata and every file of a run say it."""

__version__ = "0.1.0"
