"""Celery's and kombu's own integration tests, run on a local AWS and on Redis, and compared.

``python -m conformance --help``; docs/reference/conformance.md says what the result means.
"""
