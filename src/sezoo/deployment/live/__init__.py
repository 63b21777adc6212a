"""The C package of a model in a browser: compiled to WebAssembly, in one page that listens to a microphone."""
