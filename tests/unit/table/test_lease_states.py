"""Any number of contenders, stopped, killed and cut off from AWS at any place: one leader at most.

The time is everybody's; each counts its own from another start. While one is stopped in the middle
of a request, the others go on as they do in life: each contends when its last turn told it to.
"""

import math
from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from celery_aws.testing.clock import FakeClock
from tests.unit.table.contending import (
    DURATION_SECONDS,
    RENEW_SECONDS,
    Contender,
    lose_it,
    new_service,
)
from tests.watched import KilledError

STEP_SECONDS = 7.0
OFFSETS = st.floats(-1e6, 1e6)
PAUSES = st.sampled_from([1.0, 60.0, 100.0, 119.0, 500.0])
FATES = st.sampled_from(["goes on", "lost", "killed"])


class Contending(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.clock = FakeClock()
        self.service = new_service(self.clock)
        self.contenders: list[Contender] = []
        self.next_turn: dict[str, float] = {}
        self.stopped: set[str] = set()

    @precondition(lambda self: len(self.contenders) < 4)
    @rule(offset_seconds=OFFSETS)
    def join(self, offset_seconds: float) -> None:
        name = f"worker-{len(self.next_turn)}"
        self.contenders.append(
            Contender(name, self.clock, self.service, offset_seconds=offset_seconds)
        )
        self.next_turn[name] = self.clock.monotonic()

    @rule(seconds=st.sampled_from([1.0, 20.0, 45.0, 96.0, 120.0]))
    def time_passes(self, seconds: float) -> None:
        self.pass_time(seconds)

    @rule(seconds=st.sampled_from([1.0, 90.0, 500.0]))
    def nobody_runs(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @precondition(lambda self: self.contenders)
    @rule(
        data=st.data(),
        place=st.sampled_from(["before", "after"]),
        requests=st.integers(0, 1),
        seconds=PAUSES,
        fate=FATES,
    )
    def stop_one_in_a_request(
        self, data: st.DataObject, place: str, requests: int, seconds: float, fate: str
    ) -> None:
        contender = data.draw(st.sampled_from(self.contenders))

        def meanwhile() -> None:
            self.pass_time(seconds)
            if fate == "lost":
                lose_it()
            if fate == "killed":
                raise KilledError

        for _ in range(requests):
            contender.meets()
        contender.meets(**{place: meanwhile})
        self.stopped.add(contender.name)
        try:
            self.turn(contender)
        except KilledError:
            self.contenders.remove(contender)
        self.stopped.discard(contender.name)
        contender.service._next.clear()

    @precondition(lambda self: self.contenders)
    @rule(data=st.data(), seconds=PAUSES)
    def stop_one_between_turns(self, data: st.DataObject, seconds: float) -> None:
        contender = data.draw(st.sampled_from(self.contenders))
        self.stopped.add(contender.name)
        self.pass_time(seconds)
        self.stopped.discard(contender.name)

    @precondition(lambda self: self.contenders)
    @rule(data=st.data())
    def stop_in_order(self, data: st.DataObject) -> None:
        contender = data.draw(st.sampled_from(self.contenders))
        self.contenders.remove(contender)
        contender.lease.release()

    @precondition(lambda self: self.contenders)
    @rule(data=st.data())
    def keep(self, data: st.DataObject) -> None:
        data.draw(st.sampled_from(self.contenders)).lease.keep()

    @invariant()
    def one_leads_at_most(self) -> None:
        leaders = [each.name for each in self.contenders if each.lease.leads]
        assert len(leaders) <= 1, leaders

    def pass_time(self, seconds: float) -> None:
        for _ in range(math.ceil(seconds / STEP_SECONDS)):
            self.clock.advance(STEP_SECONDS)
            self.one_leads_at_most()
            for each in list(self.contenders):
                due = self.next_turn[each.name] <= self.clock.monotonic()
                if due and each.name not in self.stopped:
                    self.turn(each)
                    self.one_leads_at_most()

    def turn(self, contender: Contender) -> None:
        wait = RENEW_SECONDS if contender.contend() else contender.lease.next_look_seconds
        self.next_turn[contender.name] = self.clock.monotonic() + wait


TestContending = Contending.TestCase
TestContending.settings = settings(max_examples=300, stateful_step_count=30, deadline=None)


@given(
    offsets=st.lists(OFFSETS, min_size=1, max_size=4),
    phases=st.lists(st.floats(0, RENEW_SECONDS), min_size=4, max_size=4),
    killed_after=st.floats(0, 500),
)
@settings(max_examples=60)
def test_a_dead_leader_has_a_successor_within_its_lease_and_one_look(
    offsets: list[float], phases: list[float], killed_after: float
) -> None:
    clock = FakeClock()
    service = new_service(clock)
    leader = Contender("leader", clock, service)
    assert leader.contend()
    others = [
        Contender(f"other-{number}", clock, service, offset_seconds=offset)
        for number, offset in enumerate(offsets)
    ]
    turns: dict[str, tuple[float, Contender]] = {
        each.name: (phase, each) for each, phase in zip(others, phases, strict=False)
    }
    renewals: list[float] = [0.0]
    run_until(clock, killed_after, leader, turns, renewals.append)

    while not any(each.lease.leads for each in others):
        one_turn(clock, turns)

    gap = clock.monotonic() - renewals[-1]
    assert gap <= DURATION_SECONDS + RENEW_SECONDS + 1e-3
    assert sum(each.lease.leads for each in others) == 1


def run_until(
    clock: FakeClock,
    end: float,
    leader: Contender,
    turns: dict[str, tuple[float, Contender]],
    renewed: Callable[[float], None],
) -> None:
    """Let everybody contend until ``end``, when the leader is killed."""
    next_renewal = RENEW_SECONDS
    while min(next_renewal, *(when for when, _ in turns.values())) <= end:
        if next_renewal <= min(when for when, _ in turns.values()):
            clock.advance(next_renewal - clock.monotonic())
            assert leader.contend()
            renewed(clock.monotonic())
            next_renewal += RENEW_SECONDS
        else:
            one_turn(clock, turns)


def one_turn(clock: FakeClock, turns: dict[str, tuple[float, Contender]]) -> None:
    when, contender = min(turns.values(), key=lambda each: each[0])
    clock.advance(max(0.0, when - clock.monotonic()))
    contender.contend()
    wait = contender.lease.next_look_seconds
    turns[contender.name] = (clock.monotonic() + wait, contender)
