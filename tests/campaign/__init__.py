"""The kill campaign: a controller killed at random moments of real work on real guests, and what must hold afterwards.

A library: `make test` runs a small form of it, `make soak` (`python -m tests.campaign`) the full one.
"""
