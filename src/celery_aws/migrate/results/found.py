"""Celery's backend on Redis that an app uses, by itself or as one of two."""

from typing import Any

from celery_aws.migrate.results.backend import ResultBackend


def redis_backend(app: Any) -> Any | None:
    """Return Celery's backend on Redis that an app stores or reads results in, or None."""
    backend = app.backend
    sides = [backend]
    if isinstance(backend, ResultBackend):
        sides = [backend.new.backend, backend.old.backend]
    return next((side for side in sides if is_on_redis(side)), None)


def is_on_redis(backend: Any) -> bool:
    """Tell whether it is Celery's on Redis, by itself or behind a sentinel."""
    # Without Celery's class, which warns where redis-py is not installed.
    return hasattr(backend, "connparams") and hasattr(backend, "client")
