"""What results may cost, in AWS requests of a worker and of who waits, once both are running."""

from collections import Counter
from collections.abc import Iterator

import pytest
from celery import chord, group

from celery_aws import request_counts
from celery_aws.local import LocalAws
from celery_aws.testing import FaultProxy
from tests.integration.workers.chord_scene import ChordProject, chord_scene
from tests.integration.workers.conftest import PATIENCE_SECONDS

pytestmark = pytest.mark.worker

GROUP = 100
CHORD = 50
LARGE_GROUP = 1_000

#: All that is asked for each task of a large group: sent, received, stored, deleted, and read.
LARGE_GROUP_REQUESTS = 1.5

#: Reads of the results table by who waits for a group of 100.
GROUP_READS = 10

#: The same for a chord of 50, whose parents are looked at too. It takes 11 in half a second, and
#: more where tasks take longer.
CHORD_READS = 20

#: All that is asked for a chord of 50, its sending and the wait for it included.
CHORD_REQUESTS = 170

#: Of them to DynamoDB by its workers and by who sends it: one that begins it, two for each part,
#: one for the body's result, and the claim, its values and the end.
CHORD_WRITES = 1 + 2 * CHORD + 1 + 3

#: Requests that bring its parts to SQS.
CHORD_BATCHES = CHORD // 10


class Spent:
    """The requests of the workers, which go through a proxy, and of this process."""

    def __init__(self, proxy: FaultProxy) -> None:
        self._proxy = proxy
        self._before = self._now()

    def since(self) -> Counter[str]:
        """Return the requests since this was made, by operation."""
        return self._now() - self._before

    def _now(self) -> Counter[str]:
        return Counter(self._proxy.requests.counts()) + Counter(request_counts())


@pytest.fixture(scope="module")
def proxy(local_aws: LocalAws) -> Iterator[FaultProxy]:
    with FaultProxy(local_aws.endpoint_url) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def chords(
    local_aws: LocalAws, proxy: FaultProxy, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ChordProject]:
    """A project with one worker, which has run a task and asked for what it only asks for once."""
    with (
        chord_scene(local_aws, tmp_path_factory.mktemp("budgets")) as project,
        project.worker_behind(proxy, pool="prefork", concurrency=2),
    ):
        warm = chord([project.task("echo", number) for number in range(4)], project.task("total"))
        assert warm.delay().get(timeout=PATIENCE_SECONDS) == 6
        yield project


def of_dynamodb(requests: Counter[str]) -> Counter[str]:
    return Counter({name: n for name, n in requests.items() if name.startswith("dynamodb.")})


def reads(requests: Counter[str]) -> int:
    return requests["dynamodb.GetItem"] + requests["dynamodb.BatchGetItem"]


def test_a_result_costs_one_request(chords: ChordProject, proxy: FaultProxy) -> None:
    spent = Spent(proxy)
    tasks = [chords.task("echo", number).delay() for number in range(GROUP)]
    assert chords.wait_for_messages((0, 0)) == (0, 0)
    requests = spent.since()

    assert [task.get(timeout=PATIENCE_SECONDS) for task in tasks] == list(range(GROUP))
    # One look for parked tasks may fall into the time.
    assert requests["dynamodb.PutItem"] == GROUP
    assert of_dynamodb(requests).total() <= GROUP + 2


def test_who_waits_for_a_group_reads_it_seldom(chords: ChordProject, proxy: FaultProxy) -> None:
    result = group(chords.task("echo", number) for number in range(GROUP)).delay()
    before = Counter(request_counts())

    assert result.get(timeout=PATIENCE_SECONDS) == list(range(GROUP))

    asked = Counter(request_counts()) - before
    assert reads(asked) == asked.total() <= GROUP_READS


def test_a_task_of_a_large_group_costs_one_and_a_half_requests(
    chords: ChordProject, proxy: FaultProxy
) -> None:
    spent = Spent(proxy)

    result = group(chords.task("echo", number) for number in range(LARGE_GROUP)).delay()
    assert result.get(timeout=PATIENCE_SECONDS) == list(range(LARGE_GROUP))

    assert chords.wait_for_messages((0, 0)) == (0, 0)
    assert spent.since().total() <= LARGE_GROUP_REQUESTS * LARGE_GROUP


def test_a_chord_costs_two_writes_a_part(chords: ChordProject, proxy: FaultProxy) -> None:
    requests, waiting = requests_of_a_chord(chords, proxy)

    # The body is sent alone.
    assert requests["sqs.SendMessageBatch"] == CHORD_BATCHES
    assert requests["sqs.SendMessage"] == 1
    assert of_dynamodb(requests - waiting).total() <= CHORD_WRITES + 2
    assert reads(waiting) == waiting.total() <= CHORD_READS


# 171 to 177 so far, by luck fewer.
def test_a_chord_costs_what_it_may_in_all(chords: ChordProject, proxy: FaultProxy) -> None:
    requests, _ = requests_of_a_chord(chords, proxy)

    assert requests.total() <= CHORD_REQUESTS


def requests_of_a_chord(
    chords: ChordProject, proxy: FaultProxy
) -> tuple[Counter[str], Counter[str]]:
    """Run one; return all requests until its messages are gone, and those of who waits for it."""
    canvas = chord([chords.task("echo", number) for number in range(CHORD)], chords.task("total"))
    spent = Spent(proxy)
    result = canvas.delay()
    before = Counter(request_counts())

    assert result.get(timeout=PATIENCE_SECONDS) == sum(range(CHORD))

    waiting = Counter(request_counts()) - before
    assert chords.wait_for_messages((0, 0)) == (0, 0)
    requests = spent.since()
    print(f"chord({CHORD}): {requests.total()} {dict(requests)}; to wait {dict(waiting)}")
    return requests, waiting
