"""One of the two result backends of a migration: what it is made of, and how it is read.

Each is the backend that it always was, made by Celery from a URL, with transport options of its
own. So its app is a view of the real one in which nothing but these is different; what it sends
and the results that it makes are the real app's.

Facts: celery/app/backends.py (``by_url``), celery/app/utils.py (``Settings``),
celery/backends/base.py (``mget`` of some backends returns a mapping, and of one an iterator).
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from celery import states
from celery.app.backends import by_url
from celery.app.utils import Settings
from celery.backends.base import BaseKeyValueStoreBackend, DisabledBackend
from celery.backends.rpc import RPCBackend
from celery.exceptions import ImproperlyConfigured

from celery_aws.config.two_backends import WHERE
from celery_aws.errors import AwsError, ConfigurationError, UnreachableError
from celery_aws.migrate.results.redis_chords import RedisChords
from celery_aws.results import DynamoDBBackend
from celery_aws.results.read_ahead import Meta

_TRANSPORT_OPTIONS = "result_backend_transport_options"

#: How the copy of each result is written: nobody waits long for it.
MIRROR_SETTINGS = {
    "result_backend_always_retry": False,
    "redis_socket_connect_timeout": 2.0,
    "redis_socket_timeout": 5.0,
}
MIRROR_RETRY_POLICY = {"max_retries": 1, "interval_start": 0, "interval_step": 0.2, "timeout": 5}


class SideApp:
    """An app with other settings; all else is the real one's.

    Args:
        app: the real one.
        settings: what is different.
    """

    def __init__(self, app: Any, settings: Mapping[str, Any]) -> None:
        self._app = app
        self.conf = _view(app.conf, settings)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._app, name)


def _view(conf: Any, settings: Mapping[str, Any]) -> Settings:
    conf.finalize()
    names = {spelling: name for name in settings for spelling in _spellings(conf, name)}
    changes = {spelling: settings[name] for spelling, name in names.items()}
    return Settings(changes, list(conf.maps), conf._keys, conf.prefix)  # noqa: SLF001 - no other way


def _spellings(conf: Any, name: str) -> tuple[str, ...]:
    # As the setting may be written: with a namespace in front, or as Celery 3 called it.
    converters = conf._keys or ()  # noqa: SLF001
    return (*conf._to_keys(name), *(convert(name) for convert in converters))  # noqa: SLF001


@dataclass(frozen=True, kw_only=True)
class Side:
    """One of the two backends.

    Attributes:
        name: which.
        backend: Celery's.
    """

    name: Literal["new", "old"]
    backend: Any

    @property
    def is_ours(self) -> bool:
        """Whether it is the one of this package."""
        return isinstance(self.backend, DynamoDBBackend)

    @property
    def is_on_redis(self) -> bool:
        """Whether it is Celery's on Redis."""
        return is_on_redis(self.backend)

    @property
    def redis_chords(self) -> RedisChords | None:
        """Its chords, if it is Celery's on Redis."""
        return RedisChords(self.backend) if self.is_on_redis else None

    @property
    def may_be_shared(self) -> bool:
        """Whether threads may use it at the same time; of Redis only what waits may not."""
        return bool(self.backend.thread_safe) or self.is_on_redis

    def read(self, task_ids: Sequence[str]) -> dict[str, Meta]:
        """Return what is stored for tasks, by id; what is not there is left out.

        Raises:
            TemporaryError: it does not answer now.

        Costs one BatchGetItem for each 100, one MGET, or one question for each, by its kind.
        """
        try:
            return self._read(task_ids)
        except AwsError:
            raise
        except Exception as error:
            if not self.backend.exception_safe_to_retry(error):
                raise
            raise UnreachableError(
                f"the {self.name} result backend {self.backend.as_uri()} does not answer ({error})",
                remedy="Check that it is up, and that its URL is right",
            ) from error

    def _read(self, task_ids: Sequence[str]) -> dict[str, Meta]:
        backend = self.backend
        if self.is_ours:
            payloads = backend.read_payloads(task_ids)
        elif isinstance(backend, BaseKeyValueStoreBackend):
            payloads = _payloads(backend, task_ids)
        else:
            metas = {each: backend.get_task_meta(each, cache=False) for each in task_ids}
            return {each: meta for each, meta in metas.items() if meta["status"] != states.PENDING}
        return {
            each: backend.decode_result(payload) for each, payload in payloads.items() if payload
        }


def is_on_redis(backend: Any) -> bool:
    """Tell whether a backend is Celery's on Redis, by itself or behind a sentinel."""
    # Without Celery's class, which warns where redis-py is not installed.
    return hasattr(backend, "connparams") and hasattr(type(backend), "client")


def side_of(
    app: Any,
    name: Literal["new", "old"],
    url: str,
    options: Mapping[str, Any],
    settings: Mapping[str, Any],
) -> Side:
    """Return one of the two backends. No request.

    Args:
        app: the real one.
        name: which it is.
        url: as ``result_backend`` has it.
        options: its transport options.
        settings: others that are different for it.

    Raises:
        ConfigurationError: the URL or an option is wrong, or the backend cannot be one of two.
    """
    key = f"{name}_backend"
    view = SideApp(app, {**settings, "result_backend": url, _TRANSPORT_OPTIONS: dict(options)})
    try:
        kind, own_url = by_url(url, app.loader)
        _refuse(kind, key)
        return Side(name=name, backend=kind(app=view, url=own_url))
    except (ConfigurationError, ImproperlyConfigured, ImportError, ValueError) as error:
        if _shows_secret(error, url):
            raise ConfigurationError(
                f"{WHERE}[{key!r}]: no such URL. Percent-encode user and password, for example "
                "with kombu.utils.url.safequote",
                where=WHERE,
                key=key,
            ) from None
        raise ConfigurationError(f"{WHERE}[{key!r}]: {error}", where=WHERE, key=key) from error


def _shows_secret(error: Exception, url: str) -> bool:
    """Tell whether an error quotes some of a URL's password, as urllib does of what is no port."""
    if isinstance(error, ConfigurationError) or not isinstance(error, ValueError):
        return False
    userinfo, _, _ = url.partition("://")[2].rpartition("@")
    return any(len(part) > 1 and part in str(error) for part in re.split(r"[:/?#@]", userinfo))


def _refuse(kind: type[Any], key: str) -> None:
    if issubclass(kind, RPCBackend):
        raise ConfigurationError(
            "rpc:// keeps no results: they are messages to the client that waits. Let clients "
            "fetch theirs before they are switched over",
            where=WHERE,
            key=key,
        )
    if issubclass(kind, DisabledBackend):
        raise ConfigurationError("no results are kept there", where=WHERE, key=key)


def _payloads(backend: Any, task_ids: Sequence[str]) -> dict[str, Any]:
    keys = [backend.get_key_for_task(each) for each in task_ids]
    values = backend.mget(keys)
    if isinstance(values, Mapping):
        return {each: values.get(key) for each, key in zip(task_ids, keys, strict=True)}
    return dict(zip(task_ids, values, strict=True))
