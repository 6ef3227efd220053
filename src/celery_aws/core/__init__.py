"""Decisions without I/O: pure functions and frozen values."""
