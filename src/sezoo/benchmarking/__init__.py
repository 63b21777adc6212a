"""How fast a model is and how much memory it takes: one table, whatever measured it."""
