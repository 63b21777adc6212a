"""A small set of noisy and clean recordings to try the whole path on, and the program that makes them."""
