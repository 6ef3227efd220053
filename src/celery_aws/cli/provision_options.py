"""Options and words that the commands of ``provision`` share."""

import sys
from collections.abc import Callable
from typing import Any

import click

from celery_aws.provision import Plan, Step, Verdict

Command = Callable[..., Any]

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")

queue_option = click.option(
    "--queue",
    "queues",
    multiple=True,
    metavar="NAME",
    help="A queue that the configuration does not name, by Celery's name; may be repeated.",
)

_SIGNS = {
    Verdict.CREATE: "+",
    Verdict.CHANGE: "~",
    Verdict.LEAVE: "=",
    Verdict.CONFLICT: "!",
}


def looking_at(what: str) -> None:
    """Tell what is looked at, on a terminal, in one line that goes on."""
    if sys.stderr.isatty():
        click.echo(f"\r\x1b[Klooking at {what}", nl=False, err=True)


def looked() -> None:
    """Clear that line."""
    if sys.stderr.isatty():
        click.echo("\r\x1b[K", nl=False, err=True)


def plan_lines(plan: Plan) -> list[str]:
    """Return a plan for people."""
    lines = [line for step in plan.steps for line in step_lines(step)]
    lines += [f"  note: {note}" for note in plan.notes]
    counts = ", ".join(f"{count} to {name}" for name, count in plan.counts().items())
    return [*lines, counts.replace("to conflict", "in conflict")]


def step_lines(step: Step) -> list[str]:
    """Return a step for people."""
    head = f"{_SIGNS[step.verdict]} {step.kind} {step.name} ({step.region}; {step.purpose})"
    differences = [
        f"    {each.name}: {each.wanted}"
        if not step.exists
        else f"    {each.name} is {each.found or 'not set'}, shall be {each.wanted}"
        for each in step.differences
    ]
    conflicts = [f"    conflict: {each}" for each in step.conflicts]
    return [head, *differences, *conflicts, *(f"    note: {each}" for each in step.notes)]


def plan_facts(plan: Plan) -> dict[str, Any]:
    """Return a plan for programs."""
    return {
        "steps": [_step_facts(step) for step in plan.steps],
        "notes": list(plan.notes),
        "counts": plan.counts(),
    }


def _step_facts(step: Step) -> dict[str, Any]:
    return {
        "kind": step.kind,
        "name": step.name,
        "region": step.region,
        "purpose": step.purpose,
        "verdict": step.verdict.value,
        "differences": [
            {"name": each.name, "found": each.found, "wanted": each.wanted}
            for each in step.differences
        ],
        "conflicts": list(step.conflicts),
        "notes": list(step.notes),
    }
