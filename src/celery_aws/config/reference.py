"""The reference of every option, written from the classes that parse them.

``python -m celery_aws.config.reference > docs/reference/options.md``; a test says when the
page is older than the classes. The meaning of an option is its line under ``Attributes:`` in
the docstring of its class, and nowhere else.
"""

import dataclasses
import inspect
import re
import sys
from collections.abc import Iterable, Iterator
from typing import Any

from celery_aws.config.broker import WITHOUT_EFFECT, BrokerOptions, PredefinedQueue
from celery_aws.config.parsing import allowed_text
from celery_aws.config.results import ResultOptions, RetryOptions
from celery_aws.config.settings import Settings
from celery_aws.config.two_backends import TwoBackendsOptions
from celery_aws.config.variables import variable_of

#: By the names of their fields; reprs leave them out, and errors do.
_NEVER_SHOWN = frozenset({"secret_key", "secret_access_key", "session_token"})

_ENTRY = re.compile(r"^    (\w+): (.*(?:\n     +.*)*)", re.MULTILINE)

_INTRODUCTION = """\
# Options

Written by `python -m celery_aws.config.reference` from the classes that parse them. An unknown
option, a wrong type or a value out of range stops the start with an error that names the
option, the value and what is allowed. Numbers, flags and mappings may be text (a mapping as
JSON), because the environment holds nothing else.
"""

_SETTINGS = """\
## Settings from the environment

Read by `celery_aws.load_settings()`. The strongest source first: keywords of the call (the
names in brackets), the environment of the process, `.env`, and a secret in AWS Secrets
Manager, which is a JSON object of these variables. A variable that is empty counts as not
given.
"""

_BROKER = """\
## `broker_transport_options`
"""

_QUEUE = """\
### A queue of `predefined_queues`
"""

_RESULTS = """\
## The query of `result_backend`, and `result_backend_transport_options`

The query is stronger. `table` is the path of the URL; secrets go into
`result_backend_transport_options` only, where Celery masks them.
"""

_RETRIES = """\
### `retry_policy`
"""

_TWO_BACKENDS = """\
## `result_backend_transport_options` of `celery_aws.migrate:ResultBackend`

For the time of a migration. Each URL is what `result_backend` would be with that backend alone;
what else would be in `result_backend_transport_options` is in `new_options` or `old_options`.
"""


def meanings(cls: type[Any]) -> dict[str, str]:
    """Return what each field means, from ``Attributes:`` in docstrings of ``cls`` and bases."""
    found: dict[str, str] = {}
    ours = (base for base in reversed(cls.__mro__) if base.__module__.startswith(__package__))
    for base in ours:
        text = inspect.cleandoc(base.__doc__ or "")
        for name, meaning in _ENTRY.findall(text.partition("Attributes:\n")[2]):
            found[name] = " ".join(meaning.split()).replace("``", "`")
    return found


def page() -> str:
    """Return the whole reference in Markdown."""
    return "\n".join(
        [
            _INTRODUCTION,
            _SETTINGS,
            _table("Variable", _settings_rows()),
            _BROKER,
            _table("Option", _option_rows(BrokerOptions, hidden=WITHOUT_EFFECT)),
            _without_effect(),
            _QUEUE,
            _table("Option", _option_rows(PredefinedQueue, hidden=())),
            _RESULTS,
            _table("Option", _option_rows(ResultOptions, hidden=())),
            _RETRIES,
            _table("Option", _option_rows(RetryOptions, hidden=())),
            _TWO_BACKENDS,
            _table("Option", _option_rows(TwoBackendsOptions, hidden=())),
        ]
    )


def _without_effect() -> str:
    names = ", ".join(f"`{key}`" for key in WITHOUT_EFFECT)
    others = "those of kombu's Redis and AMQP transports, for a worker that takes from one of them"
    return f"Known and without effect here: {names}, and {others} and sends to SQS.\n"


def _table(first: str, rows: Iterable[tuple[str, str, str, str]]) -> str:
    lines = [f"| {first} | Takes | Default | Meaning |", "|---|---|---|---|"]
    lines += [f"| {' | '.join(cell.replace('|', '&#124;') for cell in row)} |" for row in rows]
    return "\n".join(lines) + "\n"


def _settings_rows() -> Iterator[tuple[str, str, str, str]]:
    said = meanings(Settings)
    for name, field in Settings.model_fields.items():
        variables = ", ".join(f"`{variable}`" for variable in variable_of(field).names)
        takes = _takes(Settings, name)
        yield f"{variables} (`{name}`)", takes, _default(field.default), said[name]


def _option_rows(cls: type[Any], *, hidden: Iterable[str]) -> Iterator[tuple[str, str, str, str]]:
    said = meanings(cls)
    for field in dataclasses.fields(cls):
        if field.name not in hidden:
            name = field.metadata.get("spelling", field.name)
            yield f"`{name}`", _takes(cls, field.name), _default(_given(field)), said[field.name]


def _takes(cls: type[Any], name: str) -> str:
    words = allowed_text(cls, name)
    return f"{words}; never shown" if name in _NEVER_SHOWN else words


def _given(field: "dataclasses.Field[Any]") -> Any:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default


def _default(value: Any) -> str:
    if value is dataclasses.MISSING:
        return "required"
    if value is None or value in ("", {}, ()):
        return ""
    if isinstance(value, bool):
        return "`true`" if value else "`false`"
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


if __name__ == "__main__":
    sys.stdout.write(page())
