"""Runs: an experiment, its store on disk, and what drives it."""
