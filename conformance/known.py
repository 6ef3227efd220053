"""Reads known.toml: the tests that pass on Redis, fail here, and are known to."""

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

KNOWN_FILE: Final = Path(__file__).with_name("known.toml")

_KEYS: Final = {"tests", "reason", "waits_for", "sometimes"}


@dataclass(frozen=True, kw_only=True)
class Known:
    """Tests that differ for one reason.

    Attributes:
        tests: names in records; a ``*`` at the end stands for any rest.
        reason: why they fail.
        waits_for: the feature or issue with which they will pass; empty if they never will.
        sometimes: they may pass as well.
    """

    tests: tuple[str, ...]
    reason: str
    waits_for: str = ""
    sometimes: bool = False

    def covers(self, test: str) -> bool:
        """Return whether it speaks of this test."""
        return any(matches(pattern, test) for pattern in self.tests)


class MalformedError(ValueError):
    """known.toml cannot be understood."""


def matches(pattern: str, test: str) -> bool:
    """Return whether a name in known.toml is, or stands for, this test."""
    # No fnmatch: the brackets of parameters would be sets of characters.
    if pattern.endswith("*"):
        return test.startswith(pattern[:-1])
    return test == pattern


def load(path: Path = KNOWN_FILE) -> list[Known]:
    """Read known.toml.

    Raises:
        MalformedError: a key is missing or unknown, or of another type.
    """
    return parse(tomllib.loads(path.read_text()))


def parse(document: Mapping[str, Any]) -> list[Known]:
    """Return what the document says; raises as :func:`load`."""
    if set(document) - {"difference"}:
        raise MalformedError(f"only [[difference]] is known, not {sorted(document)}")
    return [_entry(entry) for entry in document.get("difference", [])]


def _entry(entry: Mapping[str, Any]) -> Known:
    unknown = set(entry) - _KEYS
    if unknown:
        raise MalformedError(f"unknown: {sorted(unknown)} in {dict(entry)}")
    tests, reason = entry.get("tests"), entry.get("reason")
    if not isinstance(tests, list) or not tests or not isinstance(reason, str) or not reason:
        raise MalformedError(f"tests and a reason are needed: {dict(entry)}")
    return Known(
        tests=tuple(tests),
        reason=reason,
        waits_for=entry.get("waits_for", ""),
        sometimes=entry.get("sometimes", False),
    )


def stands_for_nothing(known: Iterable[Known], tests: Iterable[str]) -> list[str]:
    """Return the names in known.toml that match none of the tests."""
    names = list(tests)
    return [
        pattern
        for entry in known
        for pattern in entry.tests
        if not any(matches(pattern, name) for name in names)
    ]
