"""What the messages of one queue say, added up while they are looked at. Pure.

A message that is not larger in Redis than SQS takes is not larger there: the body is base64 here,
and text or base64 there.
"""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from celery_aws.core.envelope import decode_body, dump_envelope, encode_body
from celery_aws.core.task_eta import received_timing
from celery_aws.limits import SQS_DELAY_SECONDS_MAX, SQS_MESSAGE_BYTES
from celery_aws.migrate.inventory import Trouble
from celery_aws.migrate.redis.entries import read_entry

#: Bytes for what a migration writes beside the body: the mark of its copy.
_MARK_BYTES = 300

_SAMPLE_BYTES = 24


@dataclass(kw_only=True)
class Look:
    """What was seen of one queue.

    Attributes:
        now: the time, aware.
        messages: that were looked at.
        total_bytes: of all of them.
        largest_bytes: of the largest of them.
        with_eta: messages whose eta is to come.
        with_far_eta: those of them that are due later than SQS can delay.
        latest_eta_seconds: from now until the last eta; None if there is none.
        unreadable: messages that nobody can read.
        oversize: messages that SQS does not take.
    """

    now: datetime
    messages: int = 0
    total_bytes: int = 0
    largest_bytes: int = 0
    with_eta: int = 0
    with_far_eta: int = 0
    latest_eta_seconds: float | None = None
    unreadable: int = 0
    oversize: int = 0
    _unreadable_example: str = ""
    _oversize_example: str = ""

    def add(self, raw: bytes) -> None:
        """Look at one entry."""
        self.messages += 1
        self.total_bytes += len(raw)
        self.largest_bytes = max(self.largest_bytes, len(raw))
        envelope = read_entry(raw)
        if envelope is None:
            self._add_unreadable(raw)
            return
        self._add_eta(envelope)
        if len(raw) > SQS_MESSAGE_BYTES - _MARK_BYTES and not _fits(envelope):
            self._add_oversize(raw, envelope)

    def troubles(self) -> Iterator[Trouble]:
        """Yield what cannot go as it is."""
        if self.unreadable:
            yield Trouble(
                kind="unreadable",
                count=self.unreadable,
                example=self._unreadable_example,
                remedy="Workers cannot read them either; a run puts them into the quarantine file",
            )
        if self.oversize:
            yield Trouble(
                kind="oversize",
                count=self.oversize,
                example=self._oversize_example,
                remedy=f"SQS takes {SQS_MESSAGE_BYTES} bytes. Set large_message_bucket in the new "
                "app's broker_transport_options, or a run puts them into the quarantine file",
            )

    def _add_unreadable(self, raw: bytes) -> None:
        self.unreadable += 1
        self._unreadable_example = self._unreadable_example or repr(raw[:_SAMPLE_BYTES])

    def _add_oversize(self, raw: bytes, envelope: Mapping[str, Any]) -> None:
        self.oversize += 1
        task = (envelope["headers"] or {}).get("id") or envelope["properties"].get("correlation_id")
        self._oversize_example = self._oversize_example or f"{task} ({len(raw)} bytes)"

    def _add_eta(self, envelope: Mapping[str, Any]) -> None:
        timing = received_timing(envelope)
        if timing is None or timing.eta is None:
            return
        left = (timing.eta - self.now).total_seconds()
        if left <= 0:
            return
        self.with_eta += 1
        self.with_far_eta += left > SQS_DELAY_SECONDS_MAX
        self.latest_eta_seconds = max(left, self.latest_eta_seconds or 0.0)


def _fits(envelope: Mapping[str, Any]) -> bool:
    """Tell whether SQS takes a message as we write it."""
    properties = envelope["properties"]
    try:
        body = decode_body(envelope["body"] or "", properties.get("body_encoding"))
    except ValueError:
        return False
    with suppress(UnicodeDecodeError):
        body = body.decode() if isinstance(body, bytes) else body
    text, encoding = encode_body(body)
    written = {**envelope, "body": text, "properties": {**properties, "body_encoding": encoding}}
    return len(dump_envelope(written)) <= SQS_MESSAGE_BYTES - _MARK_BYTES
