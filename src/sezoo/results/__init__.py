"""Files of a run's results: for each file its content, its writer and its reader."""
