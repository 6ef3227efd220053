"""Fleets whose processes are killed and stopped at any request.

Nothing live is reaped, all that is dead goes, and who was only stopped hears commands again.
"""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from celery_aws.config.broker import parse_broker_options
from celery_aws.core.schedule import STANDARD
from celery_aws.names import QueueUrl
from tests.integration.workers.rounds import soak_rounds
from tests.simulation.accidents import Accidents
from tests.simulation.cloud import Cloud
from tests.simulation.fleet import TABLE, Fleet, FleetClient, FleetWorker, Node
from tests.simulation.waiting import put_threads_on
from tests.simulation.world import World

HOUR = 3_600.0
LEASE_SECONDS = 120.0
WORKERS = 4
MONITORS = 2
COMMAND_SECONDS = 7.0

#: What a look, the requests and the end of a pause take.
SOON_SECONDS = 2.0

#: Within this time who comes back, or starts, has an inbox and hears commands.
HEARS_SECONDS = 30.0

#: A leader is replaced within its lease and one more look of its successor's.
TAKEOVER_SECONDS = STANDARD.lease_seconds + STANDARD.renew_seconds + 15.0


def soak_seeds(first: int, *, hours: float) -> list[Any]:
    """Return seeds and hours that only a soak test has the time for."""
    seeds = range(first, first + max(1, soak_rounds(300) // 30))
    return [pytest.param(seed, hours, marks=pytest.mark.soak) for seed in seeds]


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int], Fleet]]:
    """Found a fleet in a world of its own."""
    worlds = []

    def fleet(seed: int) -> Fleet:
        world = World(seed)
        worlds.append(world)
        put_threads_on(world, monkeypatch)
        options = parse_broker_options({"inbox_lease_seconds": int(LEASE_SECONDS)})
        made = Fleet(cloud=Cloud.of(world), options=options)
        for _ in range(WORKERS):
            made.worker()
        for _ in range(MONITORS):
            made.monitor()
        return made

    yield fleet
    for world in worlds:
        world.end()


def inboxes_of(fleet: Fleet, node: Node) -> list[QueueUrl]:
    makers = fleet.cloud.sqs.makers
    return [url for url, maker in makers.items() if maker == node.name]


def registered(fleet: Fleet, partition: str) -> set[str]:
    items = fleet.cloud.tables.items(TABLE)
    name = "sk" if partition == "inbox" else "inbox"
    return {item[name]["S"] for item in items if item["pk"]["S"] == partition}


def check_nothing_dead_is_left(fleet: Fleet) -> None:
    alive = {node.inbox for node in fleet.nodes}
    assert registered(fleet, "inbox") == registered(fleet, "binding") == alive
    living = {node.name for node in fleet.nodes}
    assert {fleet.cloud.sqs.makers[url] for url in fleet.cloud.sqs.urls()} == living
    assert len(fleet.cloud.sqs.urls()) == len(living)


def check_commands(worker: FleetWorker, client: FleetClient, disturbed_until: float) -> int:
    """Check what a worker has heard, and return how many commands it had to hear."""
    numbers = [heard.body["arguments"]["number"] for heard in worker.heard]
    assert numbers == sorted(set(numbers)), "in order, and each once"
    stale = [each for each in numbers if client.sent[each][1] < worker.born_at]
    assert stale == [], "sent before it was started"
    end = worker.world.seconds - SOON_SECONDS
    wanted = [n for n, (begun, done) in client.sent.items() if disturbed_until < begun < done < end]
    missed = sorted(set(wanted) - set(numbers))
    assert missed == [], f"{worker.name} is deaf"
    return len(wanted)


def live_and_reaped(fleet: Fleet) -> list[str]:
    """Return who was reaped although it had not been stopped for as long as a lease."""
    by_name = {node.name: node for node in fleet.nodes}
    wrong = []
    for deleted in fleet.cloud.sqs.deleted:
        node = by_name.get(fleet.cloud.sqs.makers[deleted.url])
        if node is not None and deleted.sender != node.name and not node.stops:
            wrong.append(node.name)
    return wrong


@pytest.mark.parametrize(("seed", "hours"), [(1, 0.5), *soak_seeds(2, hours=4)])
def test_kills_at_any_request(found: Callable[[int], Fleet], seed: int, hours: float) -> None:
    fleet = found(seed)
    client, world = fleet.client(COMMAND_SECONDS), fleet.cloud.world
    accidents = Accidents(fleet, 20.0, hours * HOUR, 0.0, (0.0, 0.0))
    accidents.start()
    world.run_until(hours * HOUR)
    assert len(fleet.dead) > 100 * hours
    # Until somebody leads for long enough.
    world.run_until(hours * HOUR + TAKEOVER_SECONDS + 2 * LEASE_SECONDS + SOON_SECONDS)
    check_nothing_dead_is_left(fleet)
    assert live_and_reaped(fleet) == []
    heard = [
        check_commands(worker, client, (worker.ready_at or 0.0) + SOON_SECONDS)
        for worker in fleet.workers
    ]
    assert all(heard)


def test_what_is_dead_is_gone_within_two_leases_where_somebody_leads(
    found: Callable[[int], Fleet],
) -> None:
    fleet = found(7)
    world = fleet.cloud.world
    accidents = Accidents(
        fleet,
        20.0,
        HOUR,
        0.0,
        (0.0, 0.0),
        spares=lambda node: isinstance(node, FleetWorker) and node.leads,
    )
    accidents.start()
    world.run_until(HOUR + accidents.late_seconds + 2 * LEASE_SECONDS + SOON_SECONDS)
    gone = {deleted.url: deleted.at_seconds for deleted in fleet.cloud.sqs.deleted}
    seconds = [
        gone.get(url, float("inf")) - killed_at
        for node, killed_at in fleet.dead
        for url in inboxes_of(fleet, node)
    ]
    assert len(seconds) > 100
    assert max(seconds) <= 2 * LEASE_SECONDS + SOON_SECONDS
    check_nothing_dead_is_left(fleet)


@pytest.mark.parametrize(("seed", "hours"), [(11, 1), *soak_seeds(12, hours=4)])
def test_who_was_stopped_hears_again(
    found: Callable[[int], Fleet], seed: int, hours: float
) -> None:
    fleet = found(seed)
    client, world = fleet.client(COMMAND_SECONDS), fleet.cloud.world
    accidents = Accidents(fleet, 45.0, hours * HOUR, 0.8, (5.0, 4 * LEASE_SECONDS))
    accidents.start()
    world.run_until(hours * HOUR + 4 * LEASE_SECONDS)
    assert accidents.stops > 30 * hours
    world.run_until(world.seconds + TAKEOVER_SECONDS + 2 * LEASE_SECONDS + SOON_SECONDS)
    check_nothing_dead_is_left(fleet)
    assert live_and_reaped(fleet) == []
    reaped = {deleted.url for deleted in fleet.cloud.sqs.deleted}
    again = [node for node in fleet.nodes if reaped.intersection(inboxes_of(fleet, node))]
    assert again, "somebody was stopped for long enough"
    for worker in fleet.workers:
        since = max(worker.ready_at or 0.0, worker.back_at) + HEARS_SECONDS
        assert check_commands(worker, client, since)
