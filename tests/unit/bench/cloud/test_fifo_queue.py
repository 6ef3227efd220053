"""The order of a group, and no message twice."""

import asyncio
from collections.abc import Sequence

import pytest
from bench.cloud.answers import RefusedError
from bench.cloud.fifo_queue import FifoQueue
from bench.cloud.messages import Message
from bench.cloud.queues import Poll


def message(name: str, group: str | None = "a", deduplication: str | None = None) -> Message:
    return Message(
        identifier=name,
        written_body='"body"',
        body_md5="",
        attributes={},
        size_bytes=4,
        sent_milliseconds=0,
        group=group,
        deduplication=deduplication or name,
    )


def queue() -> FifoQueue:
    loop = asyncio.get_running_loop()
    return FifoQueue(name="q.fifo", attributes={}, tags={}, loop=loop)


def names(found: Sequence[Message]) -> list[str]:
    return [each.identifier for each in found]


def test_what_is_in_flight_keeps_its_group_back() -> None:
    async def look() -> None:
        filled = queue()
        for name, group in (("a1", "a"), ("a2", "a"), ("b1", "b"), ("a3", "a")):
            filled.add(message(name, group), 0)
        first, second = filled.take(2, 30)
        assert names([first, second]) == ["a1", "a2"]
        assert names(filled.take(10, 30)) == ["b1"]
        filled.delete(first.handle)
        assert filled.take(10, 30) == []
        filled.change_visibility(second.handle, 0)
        assert names(filled.take(10, 30)) == ["a2", "a3"]

    asyncio.run(look())


def test_a_poll_gets_what_a_deleted_message_kept_back() -> None:
    async def look() -> None:
        filled, polled = queue(), list[str]()
        filled.add(message("a1"), 0)
        filled.add(message("a2"), 0)
        (taken,) = filled.take(1, 30)
        poll = Poll(10, 30, lambda found: polled.extend(names(found)))
        filled.wait(poll, 30)
        filled.serve()
        assert polled == []
        filled.delete(taken.handle)
        assert polled == ["a2"]

    asyncio.run(look())


def test_a_message_that_was_sent_before_is_not_there_twice() -> None:
    async def look() -> None:
        filled = queue()
        sent = filled.add(message("one", deduplication="x"), 0)
        assert filled.add(message("two", deduplication="x"), 0) is sent
        assert names(filled.take(10, 30)) == ["one"]

    asyncio.run(look())


def test_a_message_without_a_group_is_refused() -> None:
    async def look() -> None:
        with pytest.raises(RefusedError, match="MessageGroupId"):
            queue().add(message("one", group=None), 0)

    asyncio.run(look())
