"""The steps of a migration in the forms in which people and programs read them."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from celery_aws.migrate.status import Step, Verdict, all_go

#: Of what :func:`status_facts` returns.
FORMAT: Final = 1


def status_lines(steps: Sequence[Step]) -> Iterator[str]:
    """Yield the steps as text, and what to do first."""
    for number, step in enumerate(steps, start=1):
        found = step.judgement
        yield f"{number:>2}  {found.verdict.value.upper():7}  {step.title}: {found.why}"
        if found.next:
            yield f"             {found.next}"
    open_steps = [step for step in steps if step.verdict is not Verdict.GO]
    yield ""
    if open_steps:
        yield f"{len(steps) - len(open_steps)} of {len(steps)} steps are done. Next: " + (
            open_steps[0].judgement.next
        )
    else:
        yield "All steps are done: the old side can be switched off."


def status_facts(steps: Sequence[Step]) -> dict[str, Any]:
    """Return the steps for programs."""
    return {
        "format": FORMAT,
        "done": all_go(steps),
        "steps": [
            {
                "name": step.name,
                "title": step.title,
                "verdict": step.verdict.value,
                "why": step.judgement.why,
                "next": step.judgement.next,
            }
            for step in steps
        ],
    }
