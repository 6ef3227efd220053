import sys
from pathlib import Path

import pytest

from celery_aws.errors import ConfigurationError
from celery_aws.migrate.old_app import address, old_app, old_connection

NEW = {
    "CELERY_BROKER_URL": "aws+sqs://",
    "CELERY_BROKER_READ_URL": "aws+sqs://",
    "CELERY_BROKER_WRITE_URL": "aws+sqs://",
    "CELERY_RESULT_BACKEND": "aws+dynamodb://@eu-west-1/results",
}


def configuration(folder: Path, **settings: object) -> str:
    path = folder / "celeryconfig.py"
    path.write_text("".join(f"{name} = {value!r}\n" for name, value in settings.items()))
    return str(path)


def test_the_environment_of_the_new_side_does_not_name_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in NEW.items():
        monkeypatch.setenv(name, value)
    path = configuration(tmp_path, broker_url="redis://old:1/2", result_backend="cache+memory://")
    app = old_app(path)
    assert old_connection(app).hostname == "old"
    assert app.connection_for_write().hostname == "old"
    assert app.backend.as_uri() == "memory:///"
    app = old_app(path, broker_url="redis://older:1/2", result_backend="rpc://")
    assert old_connection(app).hostname == app.connection_for_write().hostname == "older"
    assert app.backend.as_uri() == "rpc://"


def test_an_app_without_a_broker_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CELERY_BROKER_URL", "aws+sqs://")
    with pytest.raises(ConfigurationError, match="which broker is left"):
        old_app()


def test_reads_and_writes_may_be_apart(tmp_path: Path) -> None:
    app = old_app(
        configuration(tmp_path, broker_read_url="redis://a", broker_write_url="redis://b")
    )
    assert old_connection(app).hostname == "a"
    assert app.connection_for_write().hostname == "b"


def test_a_configuration_may_be_a_module_with_a_prefix(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "old_settings.py").write_text("CELERY_BROKER_URL = 'redis://django'\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert old_connection(old_app("old_settings:CELERY")).hostname == "django"
    del sys.modules["old_settings"]


@pytest.mark.parametrize(
    ("text", "behind", "why"),
    [
        # A prefix for Django that nobody named; a class, which is no prefix.
        ("CELERY_BROKER_TRANSPORT_OPTIONS = {}\n", "", "no setting of Celery's"),
        ("class Live:\n    broker_transport_options = {}\n", ":Live", "beginning with Live_"),
        ("broker_url = 'redis://a'\nCELERY_DEFAULT_QUEUE = 'b'\n", "", "task_default_queue"),
    ],
)
def test_a_configuration_that_would_not_be_read_is_an_error(
    tmp_path: Path, text: str, behind: str, why: str
) -> None:
    path = tmp_path / "settings.py"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match=why):
        old_app(f"{path}{behind}", broker_url="redis://named")


def test_names_of_before_celery_4_are_read(tmp_path: Path) -> None:
    path = configuration(tmp_path, BROKER_URL="redis://old", CELERY_DEFAULT_QUEUE="shop")
    assert old_app(path, broker_url="redis://named").conf.task_default_queue == "shop"


def test_an_app_without_results_has_none() -> None:
    app = old_app(broker_url="redis://old:1/2")
    assert type(app.backend).__name__ == "DisabledBackend"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://user:secret@host:6379/0", "redis://user:**@host:6379/0"),
        ("redis://host:6379/0", "redis://host:6379/0"),
        ("aws+sqs://AKIA1:secret@127.0.0.1:4566/", "aws+sqs://127.0.0.1:4566/"),
        ("aws+sqs://AKIA1:secret@/", "aws+sqs:///"),
        ("aws://@eu-west-1", "aws://eu-west-1/"),
        ("aws+sqs:///", "aws+sqs:///"),
    ],
)
def test_an_address_stays_the_same_when_keys_are_others(url: str, shown: str) -> None:
    assert address(url) == shown
