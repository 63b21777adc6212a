"""Live denoising: the C package as WebAssembly in a web page, and a model on the computer's audio devices."""
