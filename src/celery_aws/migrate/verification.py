"""Whether everything that was ever claimed is somewhere: differences, each with its name. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

#: How many differences of a kind are shown; the others are counted.
SHOWN: Final = 20


@dataclass(frozen=True, kw_only=True)
class Difference:
    """Something of one kind that is not as it has to be.

    Attributes:
        name: of the kind; stable.
        what: what is the case.
        count: how often.
        examples: up to :data:`SHOWN` of them: ids, or keys.
        remedy: what to do.
    """

    name: str
    what: str
    count: int
    examples: tuple[str, ...]
    remedy: str


@dataclass(frozen=True, kw_only=True)
class Verification:
    """What a comparison of both sides came to.

    Attributes:
        moved: messages with a fate, by the fate's name.
        begun: of those that were sent, how many workers have received.
        waiting: how many messages the new queues have by their counts, and the schedule.
        results: how many results were compared.
        sampled: only a part of the results was compared.
        differences: nothing else is wrong.
        notes: what could not be compared, and why.
    """

    moved: dict[str, int]
    begun: int = 0
    waiting: int = 0
    results: int = 0
    sampled: bool = False
    differences: tuple[Difference, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def clean(self) -> bool:
        """True if there is no difference."""
        return not self.differences

    def lines(self) -> Iterator[str]:
        """Yield it as text."""
        fates = ", ".join(f"{count} {fate}" for fate, count in sorted(self.moved.items()))
        yield f"Messages: {fates or 'none was moved'}."
        yield f"    Of those sent, workers have received {self.begun}; {self.waiting} wait."
        part = ", a sample" if self.sampled else ""
        yield f"Results: {self.results} compared{part}."
        yield from (f"    note: {note}" for note in self.notes)
        for each in self.differences:
            yield f"DIFFERENCE {each.name}: {each.count}"
            yield f"    {each.what}"
            yield from (f"    * {example}" for example in each.examples)
            if each.count > len(each.examples):
                yield f"    * and {each.count - len(each.examples)} more"
            yield f"    Remedy: {each.remedy}"
        yield "No difference." if self.clean else f"{len(self.differences)} kinds of difference."

    def facts(self) -> dict[str, object]:
        """Return it for programs."""
        return {
            "moved": dict(sorted(self.moved.items())),
            "begun": self.begun,
            "waiting": self.waiting,
            "results": self.results,
            "sampled": self.sampled,
            "clean": self.clean,
            "notes": list(self.notes),
            "differences": [
                {
                    "name": each.name,
                    "what": each.what,
                    "count": each.count,
                    "examples": list(each.examples),
                    "remedy": each.remedy,
                }
                for each in self.differences
            ],
        }
