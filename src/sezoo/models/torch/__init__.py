"""Models in torch: `file` reads checkpoints safely, `weights` fits them to a network, `mask_model` runs it."""
