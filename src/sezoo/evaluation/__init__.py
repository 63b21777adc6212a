"""How good denoised clips are, and what quantization changed."""
