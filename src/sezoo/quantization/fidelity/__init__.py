"""How close int8 is to float: `probe` of tensors, `closeness` of waveforms, and the `bench` that does both."""
