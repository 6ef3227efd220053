"""The steps of a migration, each with go or wait, judged by what is seen. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

from celery_aws.migrate.observations import Observations, SeenWorker
from celery_aws.migrate.plan_findings import SEE_ALL_QUEUES, counted

_AWS: Final = "celery -A proj aws"

#: Names that a reason shows of several.
_SHOWN: Final = 3


class Verdict(Enum):
    """Whether to go on."""

    GO = "go"
    WAIT = "wait"
    #: It cannot be seen; the reason says why, and what would show it.
    UNKNOWN = "unknown"


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """What is thought of a step.

    Attributes:
        verdict: whether to go on.
        why: what was seen.
        next: what to do now.
    """

    verdict: Verdict
    why: str
    next: str = ""


@dataclass(frozen=True, kw_only=True)
class Step:
    """One step of a migration.

    Attributes:
        name: stable, for programs.
        title: what has to be the case.
        judgement: whether it is.
    """

    name: str
    title: str
    judgement: Judgement

    @property
    def verdict(self) -> Verdict:
        """Whether to go on."""
        return self.judgement.verdict


def steps_of(seen: Observations) -> tuple[Step, ...]:
    """Return the steps in their order; each is judged on its own, the last by all before it."""
    steps = tuple(
        Step(name=name, title=title, judgement=judge(seen)) for name, title, judge in _STEPS
    )
    last = Step(name="verified", title="both sides agree", judgement=_verified(seen, steps))
    return (*steps, last)


def all_go(steps: Sequence[Step]) -> bool:
    """True if every step is done."""
    return all(step.verdict is Verdict.GO for step in steps)


def _plan(seen: Observations) -> Judgement:
    if seen.blocks:
        return _wait(f"the plan has {_some(seen.blocks)}", f"{_AWS} migrate plan")
    return _go("the plan has no blocks")


def _provisioned(seen: Observations) -> Judgement:
    if seen.problems is None:
        return _unknown("the doctor was not asked", f"{_AWS} doctor")
    if seen.problems:
        return _wait(
            f"the doctor has found {_some(seen.problems)}",
            f"{_AWS} provision apply, and then {_AWS} doctor",
        )
    return _go("the doctor has found no error")


def _result_backend(seen: Observations) -> Judgement:
    if _no_workers(seen).verdict is _results(seen).verdict is Verdict.GO:
        return _go("nobody stores results on the old side any more, and what it had is copied")
    change = 'set result_backend = "celery_aws.migrate:ResultBackend" and restart '
    workers = (*seen.old_workers, *seen.new_workers)
    without = [each for each in workers if each.reads_both is False]
    if without:
        return _wait(f"not {_nodes(without)}", change + _nodes(without))
    silent = [each for each in workers if each.reads_both is None]
    if silent:
        return _unknown(f"{_nodes(silent)} did not say", change + _nodes(silent))
    if not workers or (seen.listeners and not seen.old_workers):
        return _unknown("there are workers that do not answer, or none", f"{change}all workers")
    return _go(f"{_nodes(workers)}, as far as they store results")


def _new_workers(seen: Observations) -> Judgement:
    if seen.new_workers:
        return _go(_nodes(seen.new_workers))
    return _wait("none does", "start workers of the new app")


def _producers(seen: Observations) -> Judgement:
    found = seen.watched
    if found is None:
        return _unknown("the old side was not watched", f"{_AWS} migrate status --watch 30")
    period = f"in {found.seconds:g} s"
    if found.arrived:
        # What a run moved while it was counted has come twice.
        least = (
            f"about {counted(found.arrived)}, beside those moved,"
            if found.moved
            else (f"at least {counted(found.arrived)}")
        )
        return _wait(
            f"{least} came to the old side {period}",
            "set broker_write_url to the new broker in whatever still sends there (web processes, "
            "beat, workers), and restart it",
        )
    if found.finished is None or (not seen.old_workers and seen.listeners):
        return _unknown(
            f"no message was seen to come {period}, but old workers that do not answer may have "
            "taken some",
            "stop the old workers warm, and watch again",
        )
    if found.perhaps:
        return _unknown(
            f"{found.perhaps} of the tasks that began or ended {period} may be new, or "
            "their workers had them before",
            f"{_AWS} migrate status --watch, when fewer of them run",
        )
    return _go(f"no message came {period}")


def _queues(seen: Observations) -> Judgement:
    if not seen.messages and seen.inventory.incomplete is not None:
        return _unknown(f"nothing is seen to wait, but {seen.inventory.incomplete}", SEE_ALL_QUEUES)
    if not seen.messages:
        return _go("nothing waits")
    queues = [queue.queue for queue in seen.inventory.queues if queue.messages]
    claimed, delayed = seen.inventory.claimed, seen.inventory.delayed
    return _wait(
        f"{counted(seen.messages)} waiting"
        + (f" in {_some(queues)}" if queues else "")
        + (f", {delayed} of them in native delays" if delayed else "")
        + (f", {claimed} of them claimed by a run that has not ended" if claimed else ""),
        f"{_AWS} migrate run",
    )


def _idle_workers(seen: Observations) -> Judgement:
    busy = [each for each in seen.old_workers if each.tasks]
    if busy:
        tasks = sum(each.tasks or 0 for each in busy)
        return _wait(
            f"{tasks} {'task' if tasks == 1 else 'tasks'} with {_nodes(busy)}",
            "stop them warm (SIGTERM): they finish what runs and give back the rest; then "
            f"{_AWS} migrate run",
        )
    if seen.held:
        return _wait(
            f"{counted(seen.held)} held by workers that do not answer, or were killed",
            f"stop what is left of them warm, and then {_AWS} migrate run --take-held",
        )
    unsaid = [each for each in seen.old_workers if each.tasks is None]
    if unsaid:
        return _unknown(f"{_nodes(unsaid)} did not say", "stop them warm (SIGTERM)")
    if seen.listeners and not seen.old_workers:
        return _unknown(f"{seen.listeners} listen and do not answer", "stop them warm (SIGTERM)")
    return _go("no task and no message is held")


def _no_workers(seen: Observations) -> Judgement:
    if seen.old_workers:
        return _wait(
            f"still there: {_nodes(seen.old_workers)}",
            "stop them warm (SIGTERM), when the steps before say go",
        )
    if seen.listeners:
        return _wait(
            f"none answers, but {seen.listeners} listen on the old side",
            "find and stop them: workers whose broker_write_url is the new one do not answer",
        )
    if seen.listeners is None and not seen.told_gone:
        return _unknown(
            "none answers, and the old broker does not say who listens",
            "make sure that no process of theirs is left, and say so: "
            f"{_AWS} migrate status --old-workers-gone",
        )
    return _go("none answers, and none listens")


def _results(seen: Observations) -> Judgement:
    found = seen.inventory.results
    if found is None:
        if seen.told_results_expired:
            return _go("you say that the old results have expired; nobody can count them")
        return _unknown(
            "the old results cannot be counted",
            "keep the old result backend until its results have expired and no chord waits for "
            f"parts in it, and say so: {_AWS} migrate status --results-expired",
        )
    if found.chords:
        return _wait(
            f"chords whose body has not been called: {_some(list(found.chords))}",
            "wait for their parts, or convert them when no old worker is left: "
            f"{_AWS} migrate run --chords",
        )
    if seen.results_to_copy:
        return _wait(
            f"{seen.results_to_copy} results are not on the new side",
            f"{_AWS} migrate run --only-results",
        )
    return _compared_results(seen, sum(found.results.values()))


def _compared_results(seen: Observations, count: int) -> Judgement:
    if count and seen.results_to_copy is None:
        return _unknown(f"{count} results were not compared", f"{_AWS} migrate verify")
    if seen.results_sampled:
        # Redis tells of its keys in the order in which they were copied.
        return _unknown(
            f"the first of {count} results are on the new side; the others were not compared",
            f"{_AWS} migrate status --all-results",
        )
    return _go("nothing is left to copy")


#: Name and title of each step but the last, and what judges it.
_STEPS: Final[tuple[tuple[str, str, Callable[[Observations], Judgement]], ...]] = (
    ("plan", "nothing blocks", _plan),
    ("provisioned", "queues and tables are there", _provisioned),
    ("result-backend", "all workers have the result backend of both sides", _result_backend),
    ("new-workers", "new workers answer on SQS", _new_workers),
    ("producers", "producers send to SQS", _producers),
    ("queues", "the old queues are empty", _queues),
    ("old-workers-idle", "old workers hold nothing", _idle_workers),
    ("old-workers-gone", "no old worker is left", _no_workers),
    ("results", "results are copied and chords have ended", _results),
)


def _verified(seen: Observations, before: Sequence[Step]) -> Judgement:
    again = f"{_AWS} migrate verify"
    if seen.verification is not None and not seen.verification.clean:
        kinds = [each.name for each in seen.verification.differences]
        return _wait(f"there is {_some(kinds)}", again)
    waiting = [step.name for step in before if step.verdict is not Verdict.GO]
    if waiting:
        return _wait(f"{_some(waiting)} first", again)
    if seen.verification is None:
        return _unknown(
            "there is no journal of what was moved",
            f"{_AWS} migrate run, or name the journal: --journal",
        )
    return _go("there is no difference")


def _go(why: str) -> Judgement:
    return Judgement(verdict=Verdict.GO, why=why)


def _wait(why: str, then: str) -> Judgement:
    return Judgement(verdict=Verdict.WAIT, why=why, next=then)


def _unknown(why: str, then: str) -> Judgement:
    return Judgement(verdict=Verdict.UNKNOWN, why=why, next=then)


def _nodes(workers: Sequence[SeenWorker]) -> str:
    return _some([each.node for each in workers])


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_SHOWN])
    return shown if len(names) <= _SHOWN else f"{shown} and {len(names) - _SHOWN} more"
