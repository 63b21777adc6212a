"""An int8 model as a package of C sources for any Cortex-M, or any computer."""
