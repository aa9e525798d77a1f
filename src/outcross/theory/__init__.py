"""Closed forms that a correct run must reproduce, each with its paper or its derivation; `catalogue` lists them."""
