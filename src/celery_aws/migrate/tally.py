"""What a run has done so far, in numbers."""

from dataclasses import dataclass, fields


@dataclass(kw_only=True)
class Tally:
    """Numbers of messages; each thread has one of its own, and the run adds them up.

    Attributes:
        sent: the target has them, in a queue.
        parked: the target has them, in its schedule.
        quarantined: are in the quarantine file, as the target cannot take them or nobody can read
            them.
        revoked: are in the quarantine file, as their tasks were revoked.
        again: were claimed by an earlier run that had sent them: not sent again.
        left: were given back, not sent; or stay claimed, as nobody knows.
        uncertain: those of the left of which nobody knows whether the target has them: no answer
            came.
    """

    sent: int = 0
    parked: int = 0
    quarantined: int = 0
    revoked: int = 0
    again: int = 0
    left: int = 0
    uncertain: int = 0

    @property
    def moved(self) -> int:
        """How many are gone from the source."""
        return self.sent + self.parked + self.quarantined + self.revoked + self.again

    def add(self, other: "Tally") -> None:
        """Add the numbers of another one."""
        for each in fields(self):
            setattr(self, each.name, getattr(self, each.name) + getattr(other, each.name))

    def as_json(self) -> dict[str, int]:
        """Return the numbers by their names."""
        return {each.name: getattr(self, each.name) for each in fields(self)}
