"""What a copy of results has done, as a value."""

from dataclasses import dataclass, fields


@dataclass(frozen=True, kw_only=True)
class ResultTally:
    """What became of what was found.

    Attributes:
        copied: states of tasks that were written.
        groups: saved groups that were written.
        kept: states and groups that were there already, or are further there.
        expired: what expired while it was copied.
        chords: chords in flight that were moved, by a run that was asked to.
        chords_left: chords in flight that stay where they are.
        unreadable: keys of what cannot be read, and is left.
    """

    copied: int = 0
    groups: int = 0
    kept: int = 0
    expired: int = 0
    chords: int = 0
    chords_left: int = 0
    unreadable: tuple[str, ...] = ()

    @property
    def seen(self) -> int:
        """All states and groups that were looked at."""
        return self.copied + self.groups + self.kept + self.expired + len(self.unreadable)

    def __add__(self, other: "ResultTally") -> "ResultTally":
        """Return both together."""
        names = [field.name for field in fields(self)]
        return ResultTally(**{name: getattr(self, name) + getattr(other, name) for name in names})
