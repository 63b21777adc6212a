"""A run: its `folder` and log, and the experiment trackers that hear of it."""
