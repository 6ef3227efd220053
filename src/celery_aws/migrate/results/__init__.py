"""Results on their way from one backend to another: read from both, copied, chords included."""

from celery_aws.migrate.results.backend import ResultBackend as ResultBackend

__all__ = ["ResultBackend"]
