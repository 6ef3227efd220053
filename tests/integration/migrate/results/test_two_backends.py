"""Workers whose results are in two backends, beside workers and clients that know one of them.

Redis is the old side, as broker and as result backend; SQS and DynamoDB are the new one.
"""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from celery import chain, chord, group
from celery.result import AsyncResult, GroupResult

from celery_aws.migrate.results.copying import copy_results
from celery_aws.testing.fixtures import AwsEnvironment
from tests.integration.migrate.results.conftest import forget_redis
from tests.integration.workers.chord_scene import ChordProject
from tests.integration.workers.conftest import PATIENCE_SECONDS, close_control_planes
from tests.servers import RedisServer, redis_server

pytestmark = [
    pytest.mark.worker,
    # Of redis-py, about what Celery calls.
    pytest.mark.filterwarnings("ignore:Call to deprecated setex:DeprecationWarning"),
]

SECRET = "wJalrXUtnFEMI"


@pytest.fixture
def server() -> Iterator[RedisServer]:
    with redis_server("--requirepass", SECRET) as server:
        yield server


@pytest.fixture
def project(
    aws_environment: AwsEnvironment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[ChordProject]:
    for name in ("CELERY_BROKER_URL", "CELERY_RESULT_BACKEND"):
        monkeypatch.delenv(name, raising=False)
    with ExitStack() as stack:
        stack.callback(close_control_planes)
        yield ChordProject(aws_environment, stack, tmp_path / "effects")


class Sides:
    """The settings of both sides, and of what is between them."""

    def __init__(self, project: ChordProject, server: RedisServer) -> None:
        url = server.url(0).replace("//", f"//:{SECRET}@")
        self.redis, self.old_results = url, server.url(1).replace("//", f"//:{SECRET}@")
        self.new_results = project.config["result_backend"]
        self.clients: list[Any] = []
        self._project = project

    def old(self) -> dict[str, Any]:
        """What has been, entirely."""
        return {
            "broker_url": self.redis,
            "broker_transport_options": {},
            "result_backend": self.old_results,
        }

    def client(self) -> Any:
        """Return a client that knows nothing else than what has been."""
        self.clients.append(self._project.client(**self.old()))
        return self.clients[-1]

    def both(self, *, backwards: bool = False, **options: Any) -> dict[str, Any]:
        """The new side, or with results the other way round, the way back."""
        new, old = self.new_results, self.old_results
        if backwards:
            new, old = old, new
        return {
            "result_backend": "celery_aws.migrate:ResultBackend",
            "result_backend_transport_options": {
                "new_backend": new,
                "old_backend": old,
                **options,
            },
        }

    def between(self, **options: Any) -> dict[str, Any]:
        """A worker that takes from the old broker, and publishes to the new one."""
        return {**self.both(**options), "broker_read_url": self.redis}


@pytest.fixture
def sides(project: ChordProject, server: RedisServer) -> Iterator[Sides]:
    sides = Sides(project, server)
    yield sides
    for client in sides.clients:
        forget_redis(client)


def the_chord(client: Any, *, body: Any = None) -> Any:
    """A chord of which one task is done over twice: its retries go to the new broker."""
    add, third_time = client.signature("proj.add"), client.signature("proj.third_time")
    header = [add.clone((1, 2)), third_time, add.clone((3, 4))]
    return chord(header, app=client)(body or client.signature("chorded.total"))


@pytest.mark.oldest
def test_a_chord_of_redis_whose_tasks_go_to_sqs_is_ended_for_a_client_that_waits_at_redis(
    project: ChordProject, sides: Sides
) -> None:
    old = sides.client()
    result = the_chord(old)
    answers: list[Any] = []
    waiting = threading.Thread(target=lambda: answers.append(result.get(timeout=PATIENCE_SECONDS)))
    waiting.start()
    mirrored = sides.between(mirror="old")
    with (
        project.worker(pool="threads", name="between", config=mirrored),
        project.worker(pool="prefork", name="new", config=sides.both(mirror="old")),
    ):
        waiting.join(PATIENCE_SECONDS)
    assert answers == [12]
    assert AsyncResult(result.id, app=project.client(**sides.both())).get(timeout=5) == 12
    assert AsyncResult(result.id, app=project.client()).get(timeout=5) == 12


def test_a_chord_of_redis_with_a_group_in_its_header_keeps_its_structure(
    project: ChordProject, sides: Sides
) -> None:
    old = sides.client()
    add, plus = old.signature("proj.add"), old.signature("chorded.plus")
    grouped = chain(add.clone((1, 2)), group(plus.clone((1,)), plus.clone((2,))))
    body = old.signature("chorded.body", ("nested",))
    result = chord([grouped, add.clone((3, 4))], app=old)(body)
    with (
        project.worker(pool="threads", name="between", config=sides.between(mirror="old")),
        project.worker(pool="threads", name="new", config=sides.both(mirror="old")),
    ):
        new = project.client(**sides.both())
        assert AsyncResult(result.id, app=new).get(timeout=PATIENCE_SECONDS) == [[4, 5], 7]
    assert [each.value for each in project.effects("nested")] == [[[4, 5], 7]]


def chain_in_header(old: Any) -> tuple[Any, Any]:
    """A chord with a group in its header, of which one part is done over twice."""
    add, plus = old.signature("proj.add"), old.signature("chorded.plus")
    grouped = chain(add.clone((1, 2)), group(plus.clone((1,)), plus.clone((2,))))
    header = [old.signature("proj.third_time"), grouped]
    return chord(header, app=old)(old.signature("chorded.body", ("moved",))), [2, [4, 5]]


def flat(old: Any) -> tuple[Any, Any]:
    return the_chord(old, body=old.signature("chorded.body", ("moved",))), [3, 2, 7]


@pytest.mark.oldest
@pytest.mark.parametrize("begin", [flat, chain_in_header])
def test_a_chord_in_flight_is_moved_and_ended_without_redis(
    project: ChordProject, sides: Sides, begin: Any
) -> None:
    old, new = sides.client(), project.client()
    result, expected = begin(old)
    redis = old.backend.client
    with project.worker(pool="threads", name="between", config=sides.between()):
        waiting = (AT_SQS[begin], 0)
        wait_until(lambda: "celery" in project.queues() and project.messages() == waiting)
    tally = copy_results(old, new, chords=True)
    assert (tally.chords, tally.chords_left) == (1, 0)
    assert not list(redis.scan_iter("celery-taskset-meta-*.*"))
    assert copy_results(old, new, chords=True).chords == 0
    with project.worker(pool="threads", name="new"):
        assert AsyncResult(result.id, app=new).get(timeout=PATIENCE_SECONDS) == expected
    assert [each.value for each in project.effects("moved")] == [expected]


#: How many tasks wait at SQS when all of Redis's have run: the retry, and members of the group.
AT_SQS = {flat: 1, chain_in_header: 3}


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_chord_that_begins_now_is_in_the_table(project: ChordProject, sides: Sides) -> None:
    client = project.client(**sides.both())
    with project.worker(pool="prefork", config=sides.both()):
        assert the_chord(client).get(timeout=PATIENCE_SECONDS) == 12
    old = sides.client()
    assert old.backend.client.dbsize() == 0


def test_old_results_and_groups_are_read_and_new_ones_beside_them(
    project: ChordProject, sides: Sides
) -> None:
    old, both = sides.client(), project.client(**sides.both())
    before = group(old.signature("proj.add", (n, n)) for n in range(4)).apply_async()
    before.save()
    failing = old.send_task("proj.fail", ("why",))
    with project.worker(pool="threads", name="old", config=sides.old()):
        assert before.get(timeout=PATIENCE_SECONDS) == [0, 2, 4, 6]
        with pytest.raises(LookupError):
            failing.get(timeout=PATIENCE_SECONDS)
    with project.worker(pool="threads", name="new", config=sides.both()):
        after = [both.send_task("proj.add", (n, n)) for n in range(4)]
        members = [*(AsyncResult(each.id, app=both) for each in before.results), *after]
        mixed = GroupResult("mixed", members, app=both)
        assert mixed.get(timeout=PATIENCE_SECONDS) == [0, 2, 4, 6] * 2
        assert GroupResult.restore(before.id, app=both).get(timeout=5) == [0, 2, 4, 6]
        with pytest.raises(LookupError, match="why"):
            AsyncResult(failing.id, app=both).get(timeout=5)


def test_a_worker_goes_on_while_the_mirror_is_down(
    project: ChordProject, sides: Sides, server: RedisServer
) -> None:
    config = sides.both(mirror="old")
    options = config["result_backend_transport_options"]
    options["old_backend"] = f"redis://:{SECRET}@127.0.0.1:1/0"
    client = project.client()
    with project.worker(pool="prefork", config=config) as worker:
        results = [client.send_task("proj.add", (n, n)) for n in range(6)]
        assert [each.get(timeout=PATIENCE_SECONDS) for each in results] == [0, 2, 4, 6, 8, 10]
        worker.stop()
        assert "is not mirrored" in worker.log
        assert SECRET not in worker.log


@pytest.mark.parametrize("pool", ["solo", "prefork", "gevent"])
def test_every_pool_writes_to_both(project: ChordProject, sides: Sides, pool: str) -> None:
    if pool == "gevent":
        pytest.importorskip("gevent")
    config = {**sides.both(mirror="old"), "result_extended": True, "task_track_started": True}
    both, old = project.client(**sides.both()), sides.client()
    with project.worker(pool=pool, config=config):
        results = [both.send_task("proj.add", (n, n)) for n in range(20)]
        for n, result in enumerate(results):
            assert result.get(timeout=PATIENCE_SECONDS) == 2 * n
        quiet = both.send_task("proj.quiet")
        last = both.send_task("proj.add", (1, 1))
        assert last.get(timeout=PATIENCE_SECONDS) == 2
    for backend in (both.backend.new.backend, both.backend.old.backend):
        metas = [backend.get_task_meta(each.id, cache=False) for each in results]
        assert [meta["result"] for meta in metas] == [2 * n for n in range(20)]
        assert {meta["name"] for meta in metas} == {"proj.add"}
        assert backend.get_state(quiet.id) == "PENDING"
    assert old.backend.client.dbsize() == 21


def test_commands_show_no_secret(project: ChordProject, sides: Sides) -> None:
    client = project.client(**sides.both())
    with project.worker(pool="prefork", config=sides.both(mirror="old")) as worker:
        inspect = client.control.inspect(timeout=10, limit=1)
        shown = json.dumps([inspect.conf(with_defaults=True), inspect.stats(), inspect.report()])
        assert "old_backend" in shown
        assert SECRET not in shown
        assert "before redis://" in worker.log
        assert SECRET not in worker.log


def test_the_way_back_ends_the_chords_of_the_table(project: ChordProject, sides: Sides) -> None:
    new = project.client(**sides.both())
    result = the_chord(new)
    back = sides.both(backwards=True)
    with project.worker(pool="threads", config=back):
        reader = project.client(**back)
        assert AsyncResult(result.id, app=reader).get(timeout=PATIENCE_SECONDS) == 12
        again = the_chord(project.client(**back))
        assert again.get(timeout=PATIENCE_SECONDS) == 12
    old = sides.client()
    assert AsyncResult(again.id, app=old).get(timeout=5) == 12
    # What the way back did not mirror is copied, and then the table is not needed any more.
    assert copy_results(old, new).unreadable == ()
