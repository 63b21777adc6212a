"""Is it right on the board? Vectors of what the PC computes, and where a board's dump leaves them."""
