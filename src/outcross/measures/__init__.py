"""Measures: how far a generation is from the truth. One theme a file; each file lists its measures in MEASURES."""
