"""The networks in torch, magnitudes in and a mask out: `stft_tcnn`, and `custom` for a user's own class."""
