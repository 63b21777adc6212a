"""Validation of a board's results: vectors computed on the PC, and their comparison with a board's dump."""
