"""Settings of results and chords.

Facts: docs/explanation/results.md; celery/backends/base.py ``apply_chord`` and
celery/app/builtins.py ``add_unlock_chord_task``: without anything better a task looks every
``result_chord_retry_interval``.
"""

from collections.abc import Iterator

from celery_aws.core.durations import duration_text
from celery_aws.doctor.facts import Facts
from celery_aws.doctor.finding import Finding, notice, warning

_HOUR_SECONDS = 3_600
_QUARTER_SECONDS = 90 * 86_400

FOR_EVER = warning(
    "results-never-expire",
    "Results are kept for ever: the table grows, and so does its cost.",
    "Set result_expires, or ttl_seconds in the query of result_backend; Celery's default is a day",
)
LONG = notice(
    "results-expire-late",
    "Results are kept for months, and paid for by the GB and month.",
    "Lower result_expires, and keep what is needed longer in a table of your own",
)
SHORT = notice(
    "results-expire-soon",
    "Results expire within an hour: a chord that takes longer never gets to its body, and who asks "
    "later sees PENDING.",
    "Raise result_expires, or result_chord_expires, above what the longest chord takes",
)
STOCK_CHORDS = notice(
    "stock-chords-on",
    "Chords are counted, as Celery's own DynamoDB backend does: a part that is delivered twice "
    "counts twice. The option is for the time in which workers with both run.",
    "Leave stock_chords out when no worker has Celery's own backend any more",
)
POLLING = notice(
    "chords-poll",
    "The result backend does not tell when a chord's header is done: a task looks again and again, "
    "each time sent, received and deleted on SQS.",
    "Use aws+dynamodb:// for results, or raise result_chord_retry_interval, if there are chords",
)
STARTED = notice(
    "track-started-on",
    "Each task stores a second state when it starts: one write more a task.",
    "Leave task_track_started out if nobody looks at STARTED; set track_started on tasks that need "
    "it",
)

KINDS = (FOR_EVER, LONG, SHORT, STOCK_CHORDS, POLLING, STARTED)


def lives(facts: Facts) -> Iterator[Finding]:
    """Look at how long results are kept."""
    if facts.deployment.table("results") is None:
        return
    seconds = facts.celery.result_life_seconds
    if seconds is None:
        yield FOR_EVER.found("result_expires", "results do not expire")
    elif seconds > _QUARTER_SECONDS:
        yield LONG.found("result_expires", duration_text(seconds))
    elif seconds < _HOUR_SECONDS:
        yield SHORT.found("result_expires", duration_text(seconds))


def chords(facts: Facts) -> Iterator[Finding]:
    """Look at how chords are finished."""
    if facts.celery.stock_chords:
        yield STOCK_CHORDS.found("stock_chords", "it is on")
    if facts.celery.chords_poll and facts.deployment.broker is not None:
        seconds = facts.celery.settings.get("result_chord_retry_interval")
        yield POLLING.found("result_backend", f"three requests every {seconds:g} s for each chord")


def states(facts: Facts) -> Iterator[Finding]:
    """Look at how many states are stored."""
    ours = facts.deployment.table("results") is not None
    if ours and facts.celery.settings.get("task_track_started"):
        yield STARTED.found("task_track_started", "it is on")


CHECKS = (lives, chords, states)
