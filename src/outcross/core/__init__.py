"""The recursion and its contracts: arrays in, values out; no files, no clock, no printing."""
