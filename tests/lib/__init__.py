"""Helpers shared by the wire and end-to-end tests: Python's standard library and cryptography only."""
