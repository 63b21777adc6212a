"""One metric per file, named after it. A new file is registered as a new metric."""
