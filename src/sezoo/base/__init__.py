"""What every room may use and what uses none of them: errors, files, processes, and texts of others made harmless."""
