"""What to do about a collapse: which cause takes how much of it."""
