"""What is visible when, and who gets it."""

import asyncio
from collections.abc import Sequence

import pytest
from bench.cloud.answers import RefusedError
from bench.cloud.messages import Message
from bench.cloud.queues import Poll, Queue

SHORT_SECONDS = 0.02


def message(name: str) -> Message:
    return Message(
        identifier=name,
        written_body='"body"',
        body_md5="",
        attributes={},
        size_bytes=4,
        sent_milliseconds=0,
    )


def queue() -> Queue:
    return Queue(name="q", attributes={}, tags={}, loop=asyncio.get_running_loop())


def names(found: Sequence[Message]) -> list[str]:
    return [each.identifier for each in found]


async def polled(waiting: Queue, most: int = 10, seconds: float = 30.0) -> list[str]:
    answer: asyncio.Future[list[str]] = asyncio.get_running_loop().create_future()
    waiting.wait(Poll(most, 30, lambda found: answer.set_result(names(found))), seconds)
    return await answer


def test_a_receive_brings_so_many_and_hides_them() -> None:
    async def look() -> None:
        filled = queue()
        for number in range(12):
            filled.add(message(str(number)), 0)
        assert names(filled.take(10, 30)) == [str(number) for number in range(10)]
        assert filled.depth == (2, 10)
        assert names(filled.take(10, 30)) == ["10", "11"]
        assert filled.take(10, 30) == []

    asyncio.run(look())


def test_a_long_poll_is_answered_when_a_message_comes() -> None:
    async def look() -> None:
        empty = queue()
        poll = asyncio.ensure_future(polled(empty))
        await asyncio.sleep(0)
        empty.add(message("one"), 0)
        empty.serve()
        assert await poll == ["one"]

    asyncio.run(look())


def test_polls_are_answered_in_turn_and_end_without_messages() -> None:
    async def look() -> None:
        empty = queue()
        first = asyncio.ensure_future(polled(empty, most=1))
        second = asyncio.ensure_future(polled(empty, seconds=SHORT_SECONDS))
        await asyncio.sleep(0)
        empty.add(message("one"), 0)
        empty.serve()
        assert await first == ["one"]
        assert await second == []

    asyncio.run(look())


def test_what_is_not_deleted_comes_again_with_another_handle() -> None:
    async def look() -> None:
        filled = queue()
        filled.add(message("one"), 0)
        (taken,) = filled.take(1, SHORT_SECONDS)
        handle = taken.handle
        assert await polled(filled) == ["one"]
        assert taken.handle != handle
        assert taken.receives == 2
        filled.delete(handle)
        assert filled.depth == (0, 1)
        filled.delete(taken.handle)
        assert filled.depth == (0, 0)

    asyncio.run(look())


def test_what_is_deleted_never_comes_again() -> None:
    async def look() -> None:
        filled = queue()
        filled.add(message("one"), 0)
        (taken,) = filled.take(1, SHORT_SECONDS)
        filled.delete(taken.handle)
        assert await polled(filled, seconds=3 * SHORT_SECONDS) == []

    asyncio.run(look())


def test_a_delayed_message_comes_late() -> None:
    async def look() -> None:
        filled = queue()
        filled.add(message("one"), SHORT_SECONDS)
        assert filled.take(1, 30) == []
        assert await polled(filled) == ["one"]

    asyncio.run(look())


def test_visibility_changes_both_ways() -> None:
    async def look() -> None:
        filled = queue()
        filled.add(message("one"), 0)
        (taken,) = filled.take(1, SHORT_SECONDS)
        filled.change_visibility(taken.handle, 30)
        assert await polled(filled, seconds=3 * SHORT_SECONDS) == []
        filled.change_visibility(taken.handle, 0)
        assert names(filled.take(1, 30)) == ["one"]

    asyncio.run(look())


def test_a_client_that_goes_away_takes_nothing() -> None:
    async def look() -> None:
        empty = queue()
        gone = Poll(10, 30, lambda found: pytest.fail(f"answered with {found}"))
        empty.wait(gone, 30)
        empty.forget(gone)
        empty.add(message("one"), 0)
        empty.serve()
        assert empty.depth == (1, 0)

    asyncio.run(look())


def test_a_handle_that_is_none_is_refused() -> None:
    async def look() -> None:
        with pytest.raises(RefusedError, match="not valid"):
            queue().delete("nonsense")

    asyncio.run(look())
