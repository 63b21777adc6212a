"""How close int8 is to float: `probe` of tensors, `closeness` of waveforms, and the `context` that does both."""
