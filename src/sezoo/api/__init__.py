"""The Python API: the five verbs as functions, the configurations that they build, and the results that they give.

`sezoo` itself exports what is for users; the command line is built from the same parts.
"""
