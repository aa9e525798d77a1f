"""Benchmarks: ratios against a named baseline, both timed in one run, interleaved."""
