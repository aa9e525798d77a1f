"""Real data: known laws, embedded tables, users' files. A source's name is its file's name."""
