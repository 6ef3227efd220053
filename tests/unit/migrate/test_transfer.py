"""The run of a migration: whoever is killed anywhere has lost nothing, and doubled ten at most."""

import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from celery_aws.errors import (
    AccessDeniedError,
    BrokerLostError,
    ConfigurationError,
    ServiceFaultError,
)
from celery_aws.migrate.messages import Carried, Fate, Message
from celery_aws.migrate.tally import Tally
from celery_aws.migrate.transfer_batch import Batches
from celery_aws.migrate.transfer_share import BATCH_MESSAGES
from tests.unit.migrate.worlds import (
    HUGE,
    CrashingJournal,
    Killed,
    MemoryTarget,
    World,
    carried,
    unreadable,
)

REVOKED = frozenset({"revoked"})


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def mixture(count: int) -> list[Message]:
    """Return messages, some of which cannot be sent."""
    kinds: list[Callable[[str], Message]] = [
        carried,
        carried,
        lambda key: carried(key, body=HUGE),
        unreadable,
        lambda key: carried(key, task_id="revoked"),
    ]
    return [kinds[number % len(kinds)](f"m{number}") for number in range(count)]


def test_everything_is_moved_and_a_second_run_moves_nothing(world: World) -> None:
    world.publish(*mixture(50))

    tally = world.run(revoked=REVOKED)

    assert tally == Tally(sent=20, quarantined=20, revoked=10)
    assert (world.waiting, sum(world.received.values()), len(world.received)) == ([], 20, 20)
    assert len(world.quarantined()) == 30
    assert world.most_at_once <= BATCH_MESSAGES
    assert world.run(revoked=REVOKED) == Tally()


def test_killed_at_each_point_nothing_is_lost(tmp_path: Path) -> None:
    whole = World(tmp_path)
    whole.publish(*mixture(25))
    whole.run(revoked=REVOKED)
    assert whole.points > 90

    for point in range(whole.points):
        with tempfile.TemporaryDirectory(dir=tmp_path) as folder:
            world = World(Path(folder))
            world.publish(*mixture(25))
            with pytest.raises(Killed):
                world.run(kill_after=point, revoked=REVOKED)
            world.run(revoked=REVOKED)

            check_nothing_is_lost(world, mixture(25), kills=1)


def check_nothing_is_lost(world: World, published: list[Message], *, kills: int) -> None:
    aside = world.quarantined()
    sent = {
        each.key
        for each in published
        if isinstance(each, Carried)
        and each.envelope["body"] != HUGE
        and each.task_id not in REVOKED
    }
    assert set(world.received) == sent
    assert set(aside) == {each.key for each in published} - sent
    assert sum(world.received.values()) - len(sent) <= kills * BATCH_MESSAGES
    assert not world.waiting
    assert not any(world.claimed.values())


class Kills(RuleBasedStateMachine):
    """Runs that are killed, refused, not answered and stopped, one after the other."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.world = World(Path(self.folder.name))
        self.published: list[Message] = []
        self.kills = self.lost = 0

    @rule(count=st.integers(1, 25))
    def publish(self, count: int) -> None:
        new = mixture(len(self.published) + count)[len(self.published) :]
        self.published += new
        self.world.publish(*new)

    @rule(point=st.integers(0, 120))
    def kill(self, point: int) -> None:
        # Before there was any answer, an outage ends the run.
        with suppress(BrokerLostError, Killed):
            self.world.run(kill_after=point, revoked=REVOKED)
        self.kills += self.world.killed

    @rule(count=st.integers(1, 12))
    def lose_answers(self, count: int) -> None:
        self.world.lost_answers = count
        self.lost += count

    @rule(refusals=st.integers(1, 12), outages=st.integers(0, 3))
    def trouble(self, refusals: int, outages: int) -> None:
        self.world.refusals, self.world.outages = refusals, outages

    @rule(batches=st.integers(0, 3))
    def stop(self, batches: int) -> None:
        asked = iter(range(batches))
        with suppress(BrokerLostError):
            self.world.run(stopped=lambda: next(asked, None) is None, revoked=REVOKED)

    @rule()
    def run_to_the_end(self) -> None:
        self.world.outages = 0
        self.world.run(revoked=REVOKED)
        self.world.lost_answers = 0
        check_nothing_is_lost_so_far(self.world, self.published, kills=self.kills, lost=self.lost)

    @invariant()
    def every_message_is_somewhere(self) -> None:
        somewhere = {each.key for each in self.world.waiting}
        somewhere |= {each.key for claimed in self.world.claimed.values() for each in claimed}
        somewhere |= set(self.world.received) | set(self.world.quarantined())
        assert somewhere == {each.key for each in self.published}

    def teardown(self) -> None:
        self.run_to_the_end()
        self.folder.cleanup()


def check_nothing_is_lost_so_far(
    world: World, published: list[Message], *, kills: int, lost: int
) -> None:
    doubled = sum(world.received.values()) - len(world.received)
    assert doubled <= kills * BATCH_MESSAGES + lost
    check_nothing_is_lost(world, published, kills=kills + lost)


class KillsOfKeepers(Kills):
    """The same with a source that keeps what may have been sent."""

    def __init__(self) -> None:
        super().__init__()
        self.world.keeps = True


TestKills = Kills.TestCase
TestKills.settings = settings(max_examples=40, stateful_step_count=12, deadline=None)
TestKillsOfKeepers = KillsOfKeepers.TestCase
TestKillsOfKeepers.settings = TestKills.settings


def test_threads_share_the_work_and_lose_nothing(world: World) -> None:
    world.publish(*mixture(500))
    told: list[int] = []

    tally = world.run(threads=4, revoked=REVOKED, progress=told.append)

    assert tally.moved == 500 == sum(told)
    check_nothing_is_lost(world, mixture(500), kills=0)


def test_what_was_sent_and_not_committed_is_only_committed(world: World) -> None:
    world.publish(*(carried(f"m{number}") for number in range(10)))
    # Recover, claim twice, ten sends of two points, the journal twice: then the commits.
    with pytest.raises(Killed):
        world.run(kill_after=26)
    assert sum(world.received.values()) == 10
    assert [len(claimed) for claimed in world.claimed.values() if claimed]

    assert world.run() == Tally(again=sum(map(len, world.claimed.values())) or 9)
    assert set(world.received.values()) == {1}


def test_what_was_known_by_chance_is_sent(world: World) -> None:
    """A key that the journal knows counts only for what was handed out before."""
    world.publish(carried("m"))
    world.run()
    world.seen.clear()
    world.publish(carried("m"))

    assert world.run() == Tally(sent=1)
    assert world.received == {"m": 2}


def test_messages_that_are_the_same_are_each_sent_where_keys_are_no_names(world: World) -> None:
    world.has_twins = True
    world.publish(*(carried("same") for _ in range(10)))
    assert world.run() == Tally(sent=10)
    world.seen.clear()
    world.publish(carried("same"), carried("other"))

    assert world.run() == Tally(sent=2)

    numbered = {f"same+{number}": 1 for number in range(1, 11)}
    assert world.received == {"same": 1, "other": 1, **numbered}
    # It was seen before: it is the one that was sent.
    world.publish(carried("same"))
    assert world.run() == Tally(again=1)


def test_what_is_not_accepted_is_tried_again_with_pauses(world: World) -> None:
    world.publish(*(carried(f"m{number}") for number in range(10)))
    world.refusals = 25

    assert world.run() == Tally(sent=10)
    assert len(world.clock.sleeps) >= 3
    assert sum(world.clock.sleeps) < 60


def test_patience_ends_and_the_rest_is_given_back(world: World) -> None:
    world.publish(*(carried(f"m{number}") for number in range(15)))
    world.refusals = 10_000
    tally = Tally()

    with pytest.raises(ServiceFaultError):
        world.run(tally=tally)

    assert tally == Tally(left=10)
    assert len(world.waiting) == 15
    assert 60 <= sum(world.clock.sleeps) < 80


def test_a_lasting_refusal_ends_the_run_at_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: MemoryTarget, messages: list[Carried]) -> None:
        raise AccessDeniedError("no", service="sqs", operation="SendMessageBatch")

    monkeypatch.setattr(MemoryTarget, "send", refuse)
    world.publish(carried("m"), unreadable("u"))
    tally = Tally()

    with pytest.raises(AccessDeniedError):
        world.run(tally=tally, threads=2)

    assert (tally.left, tally.quarantined, world.clock.sleeps) == (1, 1, [])
    assert [each.key for each in world.waiting] == ["m"]


def test_stopped_while_nothing_is_accepted_it_gives_back_and_warns_of_doubles(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.publish(*(carried(f"m{number}") for number in range(3)))
    world.lost_answers = 100

    tally = world.run(stopped=lambda: len(world.received) == 3)

    assert tally == Tally(left=3, uncertain=3)
    assert len(world.waiting) == 3
    assert caplog.text.count("may run twice") == 3


def test_what_may_have_been_sent_stays_claimed_where_the_source_can_keep_it(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """A worker of the source that got it would run it a second time, and no mark would tell."""
    world.keeps = True
    world.publish(*(carried(f"m{number}") for number in range(3)))
    world.lost_answers = 2

    tally = world.run(stopped=lambda: len(world.received) == 3)

    assert tally == Tally(sent=1, left=2, uncertain=2)
    assert world.waiting == []
    assert caplog.text.count("stays claimed") == 2
    assert world.run() == Tally(sent=2)


@pytest.mark.parametrize("error", [KeyError("a defect"), KeyboardInterrupt()])
def test_whatever_ends_a_run_between_sending_and_noting_gives_nothing_to_old_workers(
    world: World, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    def interrupted(*_: object) -> None:
        raise error

    world.keeps = True
    world.publish(*(carried(f"m{number}") for number in range(3)))
    with monkeypatch.context() as patched:
        patched.setattr(Batches, "_settle_sent", interrupted)
        with pytest.raises(type(error)):
            world.run()

    assert (len(world.received), world.waiting) == (3, [])
    assert world.run() == Tally(sent=3)


def test_what_was_sent_is_forgotten_though_the_journal_cannot_be_written(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise ConfigurationError("the disk is full", where="--journal")

    monkeypatch.setattr(CrashingJournal, "record", full)
    world.publish(carried("sent"), carried("large", body=HUGE))

    with pytest.raises(ConfigurationError):
        world.run()

    assert [each.key for each in world.waiting] == ["large"]
    assert world.received == {"sent": 1}


def test_a_source_that_does_not_answer_is_asked_again(world: World) -> None:
    world.publish(*(carried(f"m{number}") for number in range(30)))
    world.run(stopped=lambda: len(world.received) >= 10)
    assert len(world.received) == 10

    def outage_after_first(_: int) -> None:
        if not world.clock.sleeps:
            world.outages = 3

    assert world.run(progress=outage_after_first).sent == 20
    assert set(world.received.values()) == {1}
    assert len(world.clock.sleeps) >= 3


def test_a_source_that_was_never_there_is_an_error_at_once(world: World) -> None:
    world.outages = 100

    with pytest.raises(BrokerLostError):
        world.run()

    assert world.clock.sleeps == []


def test_a_source_that_does_not_come_back_ends_the_run(world: World) -> None:
    world.publish(*(carried(f"m{number}") for number in range(30)))

    def end(_: int) -> None:
        world.outages = 10_000

    with pytest.raises(BrokerLostError):
        world.run(progress=end)


def test_following_it_waits_for_more_until_it_is_stopped(world: World) -> None:
    world.publish(carried("one"))

    def stopped() -> bool:
        if len(world.clock.sleeps) == 3:
            world.publish(carried("two"))
            world.clock.sleep(0)
        return len(world.received) == 2

    assert world.run(follow=True, stopped=stopped) == Tally(sent=2)


def test_following_it_outlasts_any_outage(world: World) -> None:
    world.publish(*(carried(f"m{number}") for number in range(15)))
    world.refusals = 3_000

    tally = world.run(follow=True, stopped=lambda: len(world.received) == 15 and not world.waiting)

    assert tally.sent == 15
    assert sum(world.clock.sleeps) > 60


@pytest.mark.parametrize("threads", [1, 3])
def test_a_rate_holds_for_all_threads_together(world: World, threads: int) -> None:
    world.publish(*(carried(f"m{number}") for number in range(100)))

    world.run(per_second=20, threads=threads)

    # The first batch of each thread is free.
    assert (100 - 10 * threads) / 20 - 1 <= world.clock.monotonic() <= 100 / 20 + 1


def test_the_journal_has_every_message_with_its_copy(world: World) -> None:
    world.publish(*mixture(5))
    world.run(revoked=REVOKED)
    journal = CrashingJournal(world)

    entries = {each.key: each for each in journal.entries()}
    journal.close()

    assert {key: each.fate for key, each in entries.items()} == {
        "m0": Fate.SENT,
        "m1": Fate.SENT,
        "m2": Fate.QUARANTINED,
        "m3": Fate.QUARANTINED,
        "m4": Fate.REVOKED,
    }
    assert entries["m0"].message_id == "copy of m0"
    assert (entries["m3"].task_id, entries["m4"].task_id) == (None, "revoked")
