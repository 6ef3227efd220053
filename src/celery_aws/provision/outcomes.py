"""How what is done tells about itself."""

from collections.abc import Callable
from typing import TypeAlias

#: Told a line for people, while something takes long.
Say: TypeAlias = Callable[[str], None]
