"""Export of the integer graph as a TensorFlow Lite model, for TFLite Micro, LiteRT and Arm's Ethos-U."""
