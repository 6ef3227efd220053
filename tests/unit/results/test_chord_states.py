"""Workers that stop, die and stand still at any place, lost answers, copies of messages, and time.

Whatever happens to the tasks of a chord's header, its body is sent when all of them have returned
and not before, with what they returned, and once: again only after a holder died, or stood still
for longer than its claim lasts, and then with the same task id. Constants are small here, so that
small headers have shards.
"""

import logging
from collections.abc import Iterator

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from celery_aws.core import chords
from tests.unit.results import chord_world as world
from tests.unit.results.chord_world import ChordWorld, Member
from tests.unit.results.stepped import FAILS, GOES_ON, KILLED, LOST

WORKERS = 3
ENOUGH_STEPS = 20_000
ENOUGH_TO_CLAIM = 60
STANDS_STILL = "stands still"
#: Somebody looks each second at who holds the claim, and stops three times for that.
ENOUGH_TO_TAKE_OVER = 150

SMALL = {
    "ROOT_PARTS": 2,
    "SHARD_PARTS": 2,
    "STRIPES": 2,
    "_BLOCK_PARTS": 4,
    "_HASHED_SHARD_PARTS": 2,
}

NUMBERS = st.integers(0, WORKERS - 1)
#: The first message is the one that sends the chord.
COPIES = st.just(0) | st.integers(1, 20)

CONDUCTS = st.sampled_from(
    [
        *[world.SUCCEEDS] * 8,
        *[world.IGNORES] * 3,
        world.RETRIES,
        world.FAILS_FIRST,
        world.FAILS_ALWAYS,
        world.ADDS,
    ]
)


@st.composite
def flat_headers(draw: st.DrawFn) -> list[Member | list[Member]]:
    conducts = draw(st.lists(CONDUCTS, min_size=1, max_size=9))
    header: list[Member | list[Member]] = [
        Member(index=n, task_id=f"task-{9 - n}", conduct=conduct)
        for n, conduct in enumerate(conducts)
    ]
    twin = header[-1]
    assert isinstance(twin, Member)
    if twin.conduct in {world.SUCCEEDS, world.IGNORES} and draw(st.booleans()):
        header.append(Member(index=len(header), task_id=twin.task_id, conduct=twin.conduct))
    return header


@st.composite
def nested_headers(draw: st.DrawFn) -> list[Member | list[Member]]:
    header: list[Member | list[Member]] = []
    for n, size in enumerate(draw(st.lists(st.integers(0, 3), min_size=1, max_size=4))):
        # Members of a group in a chain have places of their own, which others have too.
        members = [
            Member(index=place, task_id=f"task-{n}-{place}", conduct=draw(CONDUCTS))
            for place in range(size)
        ]
        header.append(members or Member(index=n, task_id=f"task-{n}", conduct=draw(CONDUCTS)))
    return header


@pytest.fixture(autouse=True)
def _small_shards_and_no_log(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name, value in SMALL.items():
        monkeypatch.setattr(chords, name, value)
    # Thousands of chords fail here. By these calls, for each logger remembers what is enabled.
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


class ChordStates(RuleBasedStateMachine):
    def teardown(self) -> None:
        if hasattr(self, "world"):
            self.let_everybody_finish()
            self.check_the_end()

    @initialize(
        header=st.one_of(flat_headers(), flat_headers(), nested_headers()),
        is_generator=st.booleans(),
        faults=st.booleans(),
        is_sent=st.booleans(),
    )
    def begin(
        self, header: list[Member | list[Member]], is_generator: bool, faults: bool, is_sent: bool
    ) -> None:
        nested = any(isinstance(each, list) for each in header)
        self.world = ChordWorld(header, is_generator=is_generator and not nested, workers=WORKERS)
        self.faults = faults
        self.one_step(0, GOES_ON)
        while is_sent and not self.world.workers[0].is_idle:
            self.one_step(0, GOES_ON)

    @rule(number=NUMBERS, steps=st.sampled_from([1, 1, 2, 3, 5, 12]))
    def work(self, number: int, steps: int) -> None:
        for _ in range(steps):
            self.one_step(number, GOES_ON)

    @rule(
        number=NUMBERS,
        fate=st.sampled_from([LOST, FAILS, KILLED]),
    )
    def meet(self, number: int, fate: str) -> None:
        if fate == FAILS and not self.faults:
            return
        self.world.failing |= fate == FAILS
        self.one_step(number, fate)

    @rule(number=NUMBERS, copy=COPIES)
    def deliver_again(self, number: int, copy: int) -> None:
        worker = self.world.workers[number]
        message = self.world.messages[copy % len(self.world.messages)]
        if worker.is_idle and (message.member or self.world.may_be_sent_again):
            self.world.disturbed = True
            self.world.deliver(worker, message)

    @rule(
        steps=st.integers(0, 6),
        fate=st.sampled_from([GOES_ON, LOST, KILLED, STANDS_STILL]),
        copies=st.lists(COPIES, max_size=2),
    )
    def come_to_the_claim(self, steps: int, fate: str, copies: list[int]) -> None:
        """Let all go on until one has the claim, and a bit further, and then something happens."""
        for _ in range(ENOUGH_TO_CLAIM):
            for number, worker in enumerate(self.world.workers):
                if self.world.holds_claim(worker):
                    self.work(number, steps)
                    if fate == STANDS_STILL:
                        self.one_stands_still(number, copies, ENOUGH_TO_TAKE_OVER)
                    else:
                        self.one_step(number, fate)
                    return
                self.one_step(number, GOES_ON)

    @rule(
        number=NUMBERS,
        copies=st.lists(COPIES, max_size=2),
        steps=st.sampled_from([10, 60, ENOUGH_TO_TAKE_OVER]),
    )
    def one_stands_still(self, number: int, copies: list[int], steps: int) -> None:
        """Let the others go on for a while, and perhaps take over what it holds."""
        others = [other for other in range(WORKERS) if other != number]
        for other, copy in zip(others, copies, strict=False):
            self.deliver_again(other, copy)
        for _ in range(steps):
            self.let_time_pass_for_sleepers(number)
            for other in others:
                self.one_step(other, GOES_ON)

    @rule(seconds=st.sampled_from([1.0, 9.0, 15.0, 31.0]))
    def time_passes(self, seconds: float) -> None:
        self.world.clock.advance(seconds)

    def one_step(self, number: int, fate: str) -> None:
        worker = self.world.workers[number]
        if worker.is_idle:
            visible = self.world.visible()
            if not visible:
                return
            self.world.deliver(worker, visible[0])
        self.world.step(worker, fate)

    def let_everybody_finish(self) -> None:
        for _ in range(ENOUGH_STEPS):
            busy = [each for each in self.world.workers if not each.is_idle]
            if not busy and not self.world.visible():
                return
            self.let_time_pass_for_sleepers()
            for number in range(WORKERS):
                self.one_step(number, GOES_ON)
        raise AssertionError("somebody works for ever")

    def let_time_pass_for_sleepers(self, but: int | None = None) -> None:
        workers = [each for n, each in enumerate(self.world.workers) if n != but]
        busy = [each for each in workers if not each.is_idle]
        if busy and all(each.is_asleep for each in busy):
            self.world.clock.advance(1.0)

    def check_the_end(self) -> None:
        world_ = self.world
        conducts = {member.conduct for member in world_.members}
        if world.FAILS_ALWAYS in conducts:
            assert world_.errors or world_.waits_in_vain
            assert not world_.published
        elif world.FAILS_FIRST in conducts or world_.failing:
            assert world_.errors or world_.published or world_.waits_in_vain
        else:
            assert world_.published
            assert not world_.errors
        self.check_what_is_left()

    def check_what_is_left(self) -> None:
        left = self.world.left()
        assert all("ttl" in item for item in left)
        if not self.world.disturbed:
            assert [set(item) - {"nested"} for item in left] == [
                {"id", "chord_format", "chord_size", "done", "timestamp", "ttl"}
            ]


TestChordStates = ChordStates.TestCase
TestChordStates.settings = settings(max_examples=200, stateful_step_count=30, deadline=None)
