"""Targets and tool chains: boards, compilers, emulated Cortex-M cores, ST Edge AI."""
