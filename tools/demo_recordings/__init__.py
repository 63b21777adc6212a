"""The program that made the recordings of `sezoo demo`."""
