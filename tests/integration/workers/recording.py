"""What the tasks of the app ``recorded`` wrote down, read while they run.

All times are seconds of the monotonic clock, which the processes of a machine share (Linux).
"""

import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

#: Seconds between two looks at the file.
_LOOK_SECONDS = 0.02


@dataclass(frozen=True, kw_only=True)
class Reception:
    """A worker was handed a task."""

    task_id: str
    worker: str
    at: float
    redelivered: bool


@dataclass(frozen=True, kw_only=True)
class Run:
    """A task began, and perhaps ended."""

    task_id: str
    worker: str
    pid: int
    started: float
    ended: float | None = None
    redelivered: bool

    def covers(self, moment: float) -> bool:
        return self.started <= moment and (self.ended is None or moment < self.ended)


@dataclass(frozen=True)
class Record:
    """What was written down up to now, in the order of writing."""

    receptions: tuple[Reception, ...] = ()
    runs: tuple[Run, ...] = ()

    def of(self, task_id: str) -> list[Run]:
        return [run for run in self.runs if run.task_id == task_id]

    def received(self, task_id: str) -> list[Reception]:
        return [each for each in self.receptions if each.task_id == task_id]

    def starts(self, task_ids: Iterable[str]) -> dict[str, int]:
        """Return how often each of the tasks has started."""
        starts = Counter(run.task_id for run in self.runs)
        return {task_id: starts[task_id] for task_id in task_ids}

    def ended(self) -> set[str]:
        return {run.task_id for run in self.runs if run.ended is not None}

    def __str__(self) -> str:
        """One line for each task that did not simply run once."""
        lines = []
        for task_id, starts in self.starts(dict.fromkeys(run.task_id for run in self.runs)).items():
            runs = self.of(task_id)
            if starts != 1 or runs[0].ended is None:
                words = ", ".join(
                    f"{run.worker} {run.started:.3f}-{run.ended and f'{run.ended:.3f}'}"
                    for run in runs
                )
                lines.append(f"{task_id}: {words}")
        return "\n".join(lines)


Claim = Callable[[Record], bool]


def all_started(task_ids: Collection[str]) -> Claim:
    """Claim that each of the tasks has started."""
    return lambda record: set(task_ids) <= {run.task_id for run in record.runs}


def all_ended(task_ids: Collection[str]) -> Claim:
    """Claim that each of the tasks has ended at least once."""
    return lambda record: set(task_ids) <= record.ended()


def all_received(task_ids: Collection[str], worker: str) -> Claim:
    """Claim that one worker was handed each of the tasks."""
    return lambda record: (
        set(task_ids) <= {each.task_id for each in record.receptions if each.worker == worker}
    )


class Recording:
    """The file, and as much of it as was read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.touch()
        self._offset = 0
        self._receptions: list[Reception] = []
        self._runs: dict[str, Run] = {}

    @property
    def record(self) -> Record:
        """What is written down now."""
        self._read()
        return Record(tuple(self._receptions), tuple(self._runs.values()))

    def forget(self) -> None:
        """Drop what was read so far: a long test would look through it again and again."""
        self._read()
        self._receptions.clear()
        self._runs.clear()

    def wait_for(self, claim: Claim, seconds: float) -> bool:
        """Wait until the claim is true; False when the time is up."""
        deadline = time.monotonic() + seconds
        while not claim(self.record):
            if time.monotonic() > deadline:
                return False
            time.sleep(_LOOK_SECONDS)
        return True

    def _read(self) -> None:
        with self.path.open("rb") as file:
            file.seek(self._offset)
            text = file.read()
        whole = text[: text.rfind(b"\n") + 1]
        self._offset += len(whole)
        for line in whole.decode().splitlines():
            self._add(*line.split())

    def _add(
        self,
        event: str,
        task_id: str,
        run: str,
        worker: str,
        pid: str,
        moment: str,
        redelivered: str,
    ) -> None:
        at, again = float(moment), redelivered == "1"
        if event == "received":
            self._receptions.append(
                Reception(task_id=task_id, worker=worker, at=at, redelivered=again)
            )
        elif event == "started":
            self._runs[run] = Run(
                task_id=task_id, worker=worker, pid=int(pid), started=at, redelivered=again
            )
        elif run in self._runs:  # else its start was forgotten
            self._runs[run] = replace(self._runs[run], ended=at)
