"""The app as it was before: its broker, its options, its queues.

Made of the old configuration file and of a URL, without becoming anybody's current app. All that a
source knows it asks this app and kombu's own connection for, so that prefixes, priority steps,
separators, TLS, passwords and sentinels are what the old workers have.
"""

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

from celery import Celery
from celery.app.defaults import _OLD_SETTING_KEYS, SETTING_KEYS
from celery.exceptions import ImproperlyConfigured
from kombu import Connection
from kombu.utils.url import maybe_sanitize_url

from celery_aws.errors import ConfigurationError

#: Schemes of URLs whose user is an access key.
_OURS = ("aws", "aws+sqs")

_OLD_KEYS = frozenset(name.upper() for name in _OLD_SETTING_KEYS)


class OldApp(Celery):  # type: ignore[misc]
    """An app for which the environment does not say where the broker and the results are.

    ``CELERY_BROKER_URL`` and its like are stronger than any configuration, and where the new side's
    URLs are given by them, the old side would be the new one (celery/app/utils.py, ``Settings``).
    """

    def configured_url(self, name: str) -> str | None:
        """Return ``broker_read_url`` or ``broker_write_url`` of the configuration."""
        return self.conf.get(name) or self.conf.get("broker_url") or None

    def connection_for_read(self, url: str | None = None, **options: Any) -> Connection:
        """Return a connection to the broker that old workers take from."""
        return super().connection_for_read(url or self.configured_url("broker_read_url"), **options)

    def connection_for_write(self, url: str | None = None, **options: Any) -> Connection:
        """Return a connection to the broker that old workers send to."""
        return super().connection_for_write(
            url or self.configured_url("broker_write_url"), **options
        )


def old_app(
    configuration: str | None = None,
    *,
    broker_url: str | None = None,
    result_backend: str | None = None,
) -> Any:
    """Return an app with the old configuration. No request.

    Args:
        configuration: path of a Python file (``old/celeryconfig.py``) or name of a module
            (``proj.old_settings``), with an optional ``:NAMESPACE`` behind it for Django's prefix;
            None for Celery's defaults.
        broker_url: instead of the configuration's.
        result_backend: instead of the configuration's.

    Raises:
        ConfigurationError: there is no such file or module, it cannot be imported, it has no
            setting of Celery's, or there is no URL.
    """
    app = OldApp("celery-aws-migration", set_as_current=False)
    if configuration is not None:
        _configure(app, configuration)
    changes = {
        "broker_url": broker_url,
        "broker_read_url": broker_url,
        "broker_write_url": broker_url,
    }
    if broker_url is not None:
        app.conf.update(changes)
    if result_backend is not None:
        app.conf.result_backend = result_backend
    app.backend_cls = app.conf.get("result_backend") or "disabled"
    if app.configured_url("broker_read_url") is None:
        raise ConfigurationError(
            "which broker is left? Give --from URL, or --from-config with a broker_url",
            where="--from",
        )
    return app


def old_connection(app: Any) -> Connection:
    """Return a connection to the broker that is left, not yet opened; whoever asks closes it."""
    return app.connection_for_read()


def address(url: str) -> str:
    """Return the URL of a side as it may be shown, and as a journal knows it: without a password.

    Of ours it has no access key either: the next command may have another one, for the same queues,
    and would take them for another side.
    """
    shown = str(maybe_sanitize_url(url))
    parts = urlsplit(shown)
    if parts.scheme not in _OURS:
        return shown
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path}"


def _configure(app: Any, configuration: str) -> None:
    source, _, namespace = configuration.partition(":")
    module = _module(source)
    if not any(_is_setting(name, namespace) for name in vars(module)):
        # Defaults would do in silence, and without a key prefix nothing would be found.
        looked_for = f"beginning with {namespace}_" if namespace else "of Celery's"
        raise ConfigurationError(
            f"the old configuration {configuration!r} has no setting {looked_for}: settings of "
            "Django have a prefix, such as :CELERY; those of a class have to be in a module",
            where="--from-config",
        )
    app.config_from_object(module, namespace=namespace or None)
    try:
        app.conf.get("broker_url")
    except ImproperlyConfigured as error:
        raise ConfigurationError(
            f"the old configuration {configuration!r} is none of Celery's: {str(error).strip()}",
            where="--from-config",
        ) from error


def _is_setting(name: str, namespace: str) -> bool:
    if namespace:
        return name.upper().startswith(f"{namespace.upper()}_")
    return name in SETTING_KEYS or name.upper() in _OLD_KEYS


def _module(source: str) -> ModuleType:
    try:
        if source.endswith(".py"):
            return _module_at(Path(source))
        return importlib.import_module(source)
    except Exception as error:
        raise ConfigurationError(
            f"the old configuration {source!r} cannot be imported: {type(error).__name__}: {error}",
            where="--from-config",
        ) from error


def _module_at(path: Path) -> ModuleType:
    specification = importlib.util.spec_from_file_location("celery_aws_old_configuration", path)
    if specification is None or specification.loader is None:
        raise ImportError(f"{path} is no Python file")
    module = importlib.util.module_from_spec(specification)
    sys.modules[specification.name] = module
    specification.loader.exec_module(module)
    return module
