"""What models run on or through: boards, compilers, emulated Cortex-M cores, ST Edge AI."""
