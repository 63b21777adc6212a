"""Packages of C sources that run a static int8 model on any Cortex-M, or on any computer."""
