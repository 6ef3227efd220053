"""Public fixtures and doubles for tests, ours and our users'."""

from celery_aws.testing.worker import WorkerProcess as WorkerProcess

__all__ = ["WorkerProcess"]
