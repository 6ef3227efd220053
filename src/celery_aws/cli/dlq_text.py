"""Dead letters as rows, lines and JSON."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from celery_aws.cli.schedule_text import exact_text, utc_text
from celery_aws.dlq.letters import Letter

HEADER = ("SENT (UTC)", "TASK", "ID", "RECEIVES", "RETRIES", "WHY")

#: Characters of a reason in a row.
_WHY_CHARACTERS = 60


def row(letter: Letter) -> tuple[str, ...]:
    """Return a line of a list, by :data:`HEADER`."""
    why = " ".join((letter.why or "-").split())
    return (
        "-" if letter.sent_at is None else utc_text(letter.sent_at),
        letter.task or "-",
        letter.task_id or letter.message_id,
        str(letter.buried.message.receive_count),
        str(letter.contents.fields.get("retries") or 0),
        why if len(why) <= _WHY_CHARACTERS else f"{why[:_WHY_CHARACTERS]}...",
    )


def facts(letter: Letter) -> dict[str, Any]:
    """Return everything that is known of a dead letter, for programs."""
    message, contents = letter.buried.message, letter.contents
    args, kwargs = contents.arguments or (None, None)
    return {
        "id": letter.task_id,
        "task": letter.task,
        "args": args,
        "kwargs": kwargs,
        "error": letter.error,
        "problem": letter.problem,
        "message_id": message.message_id,
        "sent_at": _moment(letter.sent_at),
        "first_received_at": _moment(letter.buried.first_received_at),
        "receive_count": message.receive_count,
        "retries": contents.fields.get("retries"),
        "eta": contents.fields.get("eta"),
        "expires": contents.fields.get("expires"),
        "group": contents.fields.get("group"),
        "priority": letter.priority,
        "source": letter.buried.source,
        "published_to": letter.published_to,
        "message_group_id": message.message_group_id,
        "protocol": contents.protocol,
        "content_type": contents.content_type,
        "size_bytes": message.size_bytes,
        "s3": None if letter.pointer is None else str(letter.pointer),
        "headers": dict(contents.headers),
    }


def named(letter: Letter) -> Iterator[tuple[str, str]]:
    """Yield everything that is known of a dead letter, with names, for people."""
    known = facts(letter)
    for name, value in known.items():
        if value is not None and name != "headers":
            yield name.replace("_", " "), str(value)
    for name, value in known["headers"].items():
        if value is not None:
            yield f"header {name}", str(value)


def _moment(moment: datetime | None) -> str | None:
    return None if moment is None else exact_text(moment)
