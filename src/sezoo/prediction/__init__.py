"""Denoised files of noisy ones: `targets` (which file becomes which), `stream` (one file), `service` (all of them)."""
