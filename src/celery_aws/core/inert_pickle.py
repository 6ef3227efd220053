"""Reads plain data out of a pickle without letting it make or call anything.

Whoever publishes a pickle has not always made it: a bridge such as celery/contrib/migrate.py hands
on bytes that it never decoded. So nothing that a pickle names is imported. Whatever is not a dict,
a list, a string or another built-in type becomes an object that does nothing. Facts: "Restricting
Globals" in the library reference of pickle; Lib/pickle.py for the methods that an unpickler calls.
"""

import io
import pickle
from typing import Any


class Inert:
    """Stands in for a class, a function or an instance that a pickle names."""

    def __init__(self, *_args: object, **_kwargs: object) -> None:
        """Take what the one that it stands for would take."""

    def __call__(self, *_args: object, **_kwargs: object) -> "Inert":
        """Stand in for what calling it would make, too."""
        return self

    def __setstate__(self, state: object) -> None:
        """Forget the state; without this method the unpickler would set attributes."""

    def __setitem__(self, key: object, value: object) -> None:
        """Forget an item of a subclass of dict."""

    def append(self, value: object) -> None:
        """Forget an item of a subclass of list."""

    def extend(self, values: object) -> None:
        """Forget items of a subclass of list."""

    def add(self, value: object) -> None:
        """Forget an item of a subclass of set."""


class _InertUnpickler(pickle.Unpickler):
    def find_class(self, _module: str, _name: str) -> Any:
        return Inert


def load_inert(pickled: bytes) -> Any:
    """Return what a pickle holds, with :class:`Inert` for all that is not of a built-in type.

    Raises:
        Exception: any, for what is not a pickle or needs a class to be what it says; none of them
            is more dangerous than the other.
    """
    return _InertUnpickler(io.BytesIO(pickled)).load()
