"""Models that come with sezoo."""
