"""Public fixtures and doubles for tests, ours and our users'."""
