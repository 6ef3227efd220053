"""From what a user wrote to a frozen dataclass, once, with errors that name the remedy.

pydantic does the converting and checking (numbers that come as text from the environment,
ranges, unknown keys); this module turns its findings into one :class:`ConfigurationError`
that names key, value, what is allowed and the nearest valid key, and shows no secret.
"""

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any, TypeVar, get_args, get_type_hints

from pydantic import ConfigDict, TypeAdapter, ValidationError

from celery_aws.errors import ConfigurationError

T = TypeVar("T")

#: For every options dataclass: a misspelt key inside a nested mapping is an error too.
FORBID_EXTRA = ConfigDict(extra="forbid")

#: Keys whose values are never shown.
SECRET_KEYS = frozenset({"secret_access_key", "session_token", "access_key_id", "password"})

#: A text longer than this is not shown: no value that can be mended by reading it is so long.
_SHOWN_CHARACTERS = 200

# Also of what was to be a URL.
_USERINFO = re.compile(r"(:?//|:).*@")


@dataclass(frozen=True)
class Allowed:
    """What a field takes, in words: shown in errors and in the reference."""

    text: str


def parse_options(cls: type[T], raw: Mapping[str, Any], *, where: str) -> T:
    """Build the options dataclass ``cls`` from a mapping.

    Args:
        cls: a frozen pydantic dataclass; a field's other spelling (``metadata``) is valid too.
        raw: what the user gave; an empty text counts as not given, because an environment
            variable that is set but empty means that.
        where: the setting's name, for the error.

    Raises:
        ConfigurationError: an unknown key, a wrong type or a value out of range.
    """
    names = valid_keys(cls)
    given: dict[str, Any] = {}
    for key, value in raw.items():
        if key not in names:
            raise ConfigurationError(unknown_key(where, str(key), names), where=where, key=str(key))
        if value != "":
            given[names[key]] = value
    try:
        return TypeAdapter(cls).validate_python(given)
    except ValidationError as error:
        key, message = _first_finding(cls, error, given)
        raise ConfigurationError(f"{where}{message}", where=where, key=key) from None


def valid_keys(cls: type[Any]) -> dict[str, str]:
    """Return every key that ``cls`` takes, other spellings included, and the field that it sets."""
    keys: dict[str, str] = {}
    for field in fields(cls):
        keys[field.name] = field.name
        alias = field.metadata.get("spelling")
        if alias is not None:
            keys[alias] = field.name
    return keys


def allowed_text(cls: type[Any], name: str) -> str:
    """Return what the field ``name`` of ``cls`` takes, in words."""
    return _allowed_in(get_type_hints(cls, include_extras=True)[name]) or "text"


def _allowed_in(hint: Any) -> str | None:
    for note in getattr(hint, "__metadata__", ()):
        if isinstance(note, Allowed):
            return note.text
    # ``X | None`` hides what X says about itself one level down, and notes of others another.
    return next(filter(None, map(_allowed_in, get_args(hint))), None)


def unknown_key(where: str, key: str, names: Iterable[str]) -> str:
    """Return the text of the error for an unknown key: all valid ones, the nearest first."""
    names = sorted(names)
    wanted = key.lower().replace("-", "_")
    near = difflib.get_close_matches(wanted, names, n=1, cutoff=0.6)
    near = near or [name for name in names if name.startswith(wanted)]
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return f"{where}: unknown option {key!r}.{hint} Valid are: {', '.join(names)}"


def shown(value: Any) -> str:
    """Return ``value`` for an error text, without whatever in it may be a secret.

    A mapping may hold one at any depth, a JSON text too, and a URL in front of its host.
    """
    if isinstance(value, Mapping):
        return f"a mapping with the keys {sorted(map(str, value))}"
    if isinstance(value, str):
        if len(value) > _SHOWN_CHARACTERS or value.lstrip().startswith(("{", "[")):
            return f"a text of {len(value)} characters"
        return repr(_USERINFO.sub(r"\1**@", value))
    if value is None or isinstance(value, (bool, int, float)):
        return repr(value)
    return f"a value of type {type(value).__name__}"


def _first_finding(
    cls: type[Any], error: ValidationError, given: Mapping[str, Any]
) -> tuple[str, str]:
    finding = error.errors(include_url=False)[0]
    path = [str(part) for part in finding["loc"]]
    key = path[0] if path else ""
    label = "".join(f"[{part!r}]" for part in path)
    if SECRET_KEYS & set(path):
        return key, f"{label}: has the wrong type (value not shown)"
    if finding["type"] in ("unexpected_keyword_argument", "extra_forbidden"):
        return key, f"{label}: unknown key"
    if len(path) > 1:
        return key, f"{label} = {shown(finding['input'])}: {finding['msg']}"
    return key, f"{label} = {shown(given.get(key))}: must be {allowed_text(cls, key)}"
