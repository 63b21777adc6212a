"""The commands of `sezoo`, a module each: `add_arguments(parser)` and `run(options)`, which may give an exit code."""
