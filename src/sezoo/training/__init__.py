"""Training a torch network."""
