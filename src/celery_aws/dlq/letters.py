"""A dead letter as people look at it, and which ones are wanted. No I/O.

Arguments are shown as whoever sent the task wrote them down; no body but JSON is ever decoded
(:mod:`celery_aws.core.task_contents`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any

from celery_aws.core.buried_message import BuriedMessage
from celery_aws.core.large_messages import load_pointer
from celery_aws.core.messages import S3Pointer
from celery_aws.core.task_contents import TaskContents
from celery_aws.names import AmqpQueue


@dataclass(frozen=True, kw_only=True)
class Letter:
    """A message of a dead-letter queue, read.

    Attributes:
        buried: as SQS handed it out.
        contents: what its envelope says.
        problem: why its envelope could not be read, or says no task; None if it does.
        error: what the result of its task says went wrong; None if nothing, or if nobody asked.
    """

    buried: BuriedMessage
    contents: TaskContents
    problem: str | None = None
    error: str | None = None

    @property
    def message_id(self) -> str:
        """SQS's id of the message."""
        return self.buried.message_id

    @property
    def task_id(self) -> str | None:
        """Celery's id of the task."""
        return _text(self.contents.fields.get("id"))

    @property
    def task(self) -> str | None:
        """Name of the task."""
        return _text(self.contents.fields.get("task"))

    @property
    def sent_at(self) -> datetime | None:
        """When it was sent; in a FIFO queue, when it came here."""
        return self.buried.message.sent_at

    @property
    def pointer(self) -> S3Pointer | None:
        """Where its body is, if it is not in SQS."""
        return load_pointer(self.buried.message.body)

    @property
    def why(self) -> str | None:
        """What is known of why it is here."""
        return self.error or self.problem

    @property
    def priority(self) -> int | None:
        """Its priority, if it has one."""
        found = self.contents.properties.get("priority")
        return found if isinstance(found, int) else None

    @property
    def published_to(self) -> AmqpQueue | None:
        """What it was published to: the routing key, which is the queue's name as a rule."""
        found: Mapping[str, Any] = self.contents.properties.get("delivery_info") or {}
        key = found.get("routing_key")
        return AmqpQueue(key) if isinstance(key, str) and key else None


@dataclass(frozen=True, kw_only=True)
class LetterFilter:
    """Which dead letters are wanted; what is None or empty excludes none.

    Attributes:
        task: a pattern of task names, as the shell has them: ``shop.*``.
        ids: of tasks, or SQS's of messages.
        error: a part of what the task's result says, in whatever case.
        since: the first time of sending, itself included.
        until: the first time of sending that is not wanted any more.
    """

    task: str | None = None
    ids: frozenset[str] = frozenset()
    error: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    @property
    def wants_all(self) -> bool:
        """True if nothing is left out."""
        return self == LetterFilter()

    def wants(self, letter: Letter) -> bool:
        """Tell whether a dead letter is wanted."""
        return (
            (self.task is None or fnmatchcase(letter.task or "", self.task))
            and (not self.ids or not self.ids.isdisjoint({letter.task_id, letter.message_id}))
            and (self.error is None or self.error.lower() in (letter.why or "").lower())
            and self._is_of_the_time(letter.sent_at)
        )

    def _is_of_the_time(self, sent_at: datetime | None) -> bool:
        if sent_at is None:
            return self.since is None and self.until is None
        return (self.since is None or self.since <= sent_at) and (
            self.until is None or sent_at < self.until
        )


def _text(value: Any) -> str | None:
    return None if value is None else str(value)
