"""Celery's backend on Redis that an app uses, by itself or as one of two."""

from typing import Any

from celery_aws.migrate.results.backend import ResultBackend
from celery_aws.migrate.results.sides import is_on_redis


def redis_backend(app: Any) -> Any | None:
    """Return Celery's backend on Redis that an app stores or reads results in, or None."""
    backend = app.backend
    sides = [backend]
    if isinstance(backend, ResultBackend):
        sides = [backend.new.backend, backend.old.backend]
    return next((side for side in sides if is_on_redis(side)), None)
