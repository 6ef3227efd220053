"""Celery's backend on Redis that an app uses, by itself or as one of two."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from celery_aws.errors import CeleryAwsError, ConfigurationError, UnreachableError
from celery_aws.migrate.results.backend import ResultBackend
from celery_aws.migrate.results.sides import is_on_redis


def redis_backend(app: Any) -> Any | None:
    """Return Celery's backend on Redis that an app stores or reads results in, or None."""
    backend = app.backend
    sides = [backend]
    if isinstance(backend, ResultBackend):
        sides = [backend.new.backend, backend.old.backend]
    return next((side for side in sides if is_on_redis(side)), None)


@contextmanager
def answering(backend: Any) -> Iterator[None]:
    """Turn errors of a Redis's client into ours for the block.

    Args:
        backend: Celery's, on Redis.

    Raises:
        UnreachableError: nobody answers.
        ConfigurationError: the server refuses; it says why.
    """
    refused = backend.redis.exceptions
    try:
        yield
    except CeleryAwsError:
        raise
    except (refused.AuthenticationError, refused.ResponseError) as error:
        raise ConfigurationError(
            f"{backend.as_uri()} refuses: {type(error).__name__}: {error}", where="result_backend"
        ) from error
    except backend.connection_errors as error:
        raise UnreachableError(
            f"the result backend {backend.as_uri()} does not answer ({error})",
            remedy="Check that it is up, and that its URL is right",
        ) from error
