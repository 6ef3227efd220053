"""The result backend of this package that an app uses, by itself or as one of two.

Commands for operators ask here: during a migration the app's backend is one that reads two
(:mod:`celery_aws.migrate.results`), and has ours as its attribute ``ours``.
"""

from typing import Any

from celery.exceptions import ImproperlyConfigured

from celery_aws.errors import ConfigurationError
from celery_aws.results.backend import DynamoDBBackend
from celery_aws.results.settings import ResultSettings, result_settings


def result_backend_of(app: Any) -> Any:
    """Return an app's result backend.

    Raises:
        ConfigurationError: there is none of that name, or what it needs is not installed.
    """
    try:
        return app.backend
    except (ImportError, ImproperlyConfigured) as error:
        # Its URL may have a password in it.
        scheme, _, _ = str(app.conf.result_backend).partition("://")
        raise ConfigurationError(
            f"no such result backend here, or what it needs is not installed: {error}",
            where=f"result_backend, of {scheme!r}",
        ) from error


def our_backend(app: Any) -> DynamoDBBackend | None:
    """Return the backend of this package that an app stores or reads results in, if any.

    Raises:
        ConfigurationError: see :func:`result_backend_of`.
    """
    backend = result_backend_of(app)
    if isinstance(backend, DynamoDBBackend):
        return backend
    ours: DynamoDBBackend | None = getattr(backend, "ours", None)
    return ours


def our_settings(app: Any) -> ResultSettings | None:
    """Return where that backend keeps results, or None if there is none.

    Raises:
        ConfigurationError: a setting is wrong.
    """
    backend = our_backend(app)
    if backend is None:
        return None
    if backend is app.backend:
        # By attribute: as a key it would miss CELERY_RESULT_BACKEND and `celery --result-backend`.
        return result_settings(app.conf.result_backend, app.conf)
    return result_settings(backend.url, backend.app.conf)
