"""The embedded local AWS: for development and tests only."""
