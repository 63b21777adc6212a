"""sezoo: takes a speech-enhancement network from recordings to a microcontroller."""

__version__ = "0.1.0"
