"""``celery-aws health``: how the workers of this container or machine are, by what they wrote down.

A process for each look, every few seconds in each container: it imports neither the app nor Celery,
kombu, boto3 or click, asks nobody, and takes some 50 ms, most of which is Python's own start.

Exit codes: 0 yes, 1 no, 2 no worker found, or a wrong option.
"""

import argparse
import json
import os
import time
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from celery_aws.health.judgement import Thresholds, Verdict, judge
from celery_aws.health.state_files import DIRECTORY_VARIABLE, directories, read_states
from celery_aws.health.worker_state import WorkerState

WELL, UNWELL, NO_WORKER = 0, 1, 2

_Question = Literal["live", "ready", "both"]

_DESCRIPTION = """\
Tell whether the workers here are live and ready, without asking AWS: no request, no app.

Live: not to be started anew; that never depends on AWS. Ready: it takes tasks. Of several workers
all must be. Exit code 0: yes; 1: no, and why; 2: no worker was found. See docs/how-to/health.md.
"""


def main(arguments: Sequence[str], *, program: str = "celery-aws health") -> int:
    """Answer on stdout, and return the exit code.

    Args:
        arguments: of the command line, behind its name.
        program: how it was called, for its help.
    """
    chosen = _parser(program).parse_args(arguments)
    try:
        thresholds = Thresholds.from_environment(os.environ)
    except ValueError as error:
        print(error)  # noqa: T201 - its output
        return NO_WORKER
    now = time.monotonic()
    states = [state for state in read_states(os.environ) if _is_meant(state, chosen)]
    verdicts = [(state, judge(state, now, thresholds)) for state in states]
    well = bool(verdicts) and all(_is_well(verdict, chosen.question) for _, verdict in verdicts)
    if chosen.as_json:
        print(_json(verdicts, well=well))  # noqa: T201
    else:
        print(_text(verdicts, chosen.question, os.environ))  # noqa: T201
    if not verdicts:
        return NO_WORKER
    return WELL if well else UNWELL


def _parser(program: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=program,
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    question = parser.add_mutually_exclusive_group()
    question.set_defaults(question="both")
    for name, words in (("live", "Ask only whether they are live."),
                        ("ready", "Ask only whether they are ready.")):  # fmt: skip
        question.add_argument(
            f"--{name}", action="store_const", const=name, dest="question", help=words
        )
    parser.add_argument("--name", metavar="NODE", help="One worker: celery@host, or celery.")
    parser.add_argument("--pid", type=int, help="One worker, by the pid of its main process.")
    parser.add_argument("--json", action="store_true", dest="as_json", help="Print JSON.")
    return parser


def _is_meant(state: WorkerState, chosen: argparse.Namespace) -> bool:
    names = (state.node, state.node.partition("@")[0])
    return chosen.name in (None, *names) and chosen.pid in (None, state.pid)


def _is_well(verdict: Verdict, question: _Question) -> bool:
    asked = {"live": verdict.live, "ready": verdict.ready}
    return all(asked.values()) if question == "both" else asked[question]


def _json(verdicts: Sequence[tuple[WorkerState, Verdict]], *, well: bool) -> str:
    workers: list[dict[str, Any]] = [
        {"node": state.node, "pid": state.pid, **verdict.as_json(), "state": state.as_json()}
        for state, verdict in verdicts
    ]
    return json.dumps({"well": well, "workers": workers}, indent=2)


def _text(
    verdicts: Sequence[tuple[WorkerState, Verdict]],
    question: _Question,
    environment: Mapping[str, str],
) -> str:
    if verdicts:
        return "\n".join(_line(state, verdict, question) for state, verdict in verdicts)
    places = ", ".join(place.path for place in directories(environment))
    return f"no such worker has left its state in {places} ({DIRECTORY_VARIABLE})"


def _line(state: WorkerState, verdict: Verdict, question: _Question) -> str:
    answers = {
        "live": "live" if verdict.live else "not live",
        "ready": "ready" if verdict.ready else "not ready",
    }
    told = answers.values() if question == "both" else (answers[question],)
    why = "; ".join((*verdict.reasons, *(f"warning: {each}" for each in verdict.warnings)))
    return f"{state.node} (pid {state.pid}): {', '.join(told)}" + (f": {why}" if why else "")
