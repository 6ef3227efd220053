import functools
import pickle
from collections import Counter, OrderedDict, UserDict, defaultdict, deque
from dataclasses import dataclass
from datetime import datetime, timezone
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from celery_aws.core.inert_pickle import Inert, load_inert


class Colour(Enum):
    RED = 1


@dataclass
class Order:
    number: int


class Basket(list[int]):
    pass


class Labels(set[str]):
    pass


class Touch:
    """Makes a file wherever it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


built_in = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner),
)


@given(built_in, st.integers(0, pickle.HIGHEST_PROTOCOL))
def test_plain_data_is_what_it_was(data: Any, protocol: int) -> None:
    assert _without_inert(load_inert(pickle.dumps(data, protocol))) == _without_bytes(
        data, protocol
    )


def _without_bytes(data: Any, protocol: int) -> Any:
    return data if protocol >= 3 else _replaced(data, bytes)


def _without_inert(data: Any) -> Any:
    return _replaced(data, Inert)


def _replaced(data: Any, kind: type) -> Any:
    """Older protocols have no bytes: they call a function that makes them."""
    if isinstance(data, kind):
        return None
    if isinstance(data, dict):
        return {key: _replaced(value, kind) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return type(data)(_replaced(value, kind) for value in data)
    return data


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize(
    "value",
    [
        Colour.RED,
        Order(7),
        Basket([1, 2]),
        Labels({"a"}),
        Counter("aab"),
        OrderedDict(a=1),
        UserDict(a=1),
        defaultdict(list, a=[1]),
        deque([1]),
        Decimal("1.5"),
        UUID(int=7),
        datetime(2026, 1, 1, tzinfo=ZoneInfo("Europe/Berlin")),
        timezone.utc,
        functools.partial(print, "a"),
        ValueError("no"),
        Path("a"),
        len,
        Order,
    ],
    ids=str,
)
def test_what_is_not_built_in_does_not_hide_what_is(value: Any, protocol: int) -> None:
    read = load_inert(pickle.dumps({"before": 1, "args": [value], "eta": "later"}, protocol))

    assert (read["before"], read["eta"]) == (1, "later")
    assert isinstance(read["args"][0], Inert) or read["args"][0] is Inert


def test_nothing_is_called(tmp_path: Path) -> None:
    path = tmp_path / "touched"
    pickled = pickle.dumps({"args": [Touch(path)], "eta": "later"})

    assert load_inert(pickled)["eta"] == "later"
    assert not path.exists()
    pickle.loads(pickled)
    assert path.exists()


def test_a_class_is_not_changed_by_a_state_for_it() -> None:
    # GLOBAL, then BUILD with a state: for a class it would set the class's attributes.
    with pytest.raises(TypeError):
        load_inert(b"cbuiltins\nlen\n}S'append'\nN\x73b.")

    assert callable(Inert.append)


@pytest.mark.parametrize("junk", [b"", b"junk", b"\x80\x04", b"(dp0\n"])
def test_what_is_no_pickle_raises(junk: bytes) -> None:
    with pytest.raises((pickle.UnpicklingError, EOFError, KeyError, IndexError)):
        load_inert(junk)
