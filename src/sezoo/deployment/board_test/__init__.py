"""`sezoo board-test`: a C package on a real board, compared bit by bit with an emulated one, over a serial line."""
