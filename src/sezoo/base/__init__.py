"""Errors, files, processes and untrusted text: utilities that every other subpackage may import."""
