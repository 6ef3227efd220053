"""Two backends behind one: which is read, which is written, where chords live."""

import asyncio
import pickle
from typing import Any

import pytest
from celery import Celery, states
from celery.app.task import Context
from celery.app.utils import filter_hidden_settings
from celery.canvas import Signature
from celery.exceptions import SoftTimeLimitExceeded
from celery.exceptions import TimeoutError as ResultTimeoutError
from celery.result import AsyncResult, GroupResult
from kombu.utils.uuid import uuid

from celery_aws.deployment import deployment_of
from celery_aws.errors import ConfigurationError, ThrottledError
from celery_aws.migrate import ResultBackend
from celery_aws.migrate.results.sides import Side
from celery_aws.results import aget, our_backend, our_settings
from celery_aws.testing.memory_dynamodb import MemoryTableService
from tests.unit.migrate.results.conftest import OURS, THEIRS, MakeTwo, TwoApp
from tests.unit.results.passing_time import PassingClock

URLS = {"new_backend": OURS, "old_backend": THEIRS}


@pytest.fixture
def task_id() -> str:
    # Celery's memory belongs to the process.
    return str(uuid())


@pytest.fixture(params=[False, True], ids=["there", "back"])
def two(make_two: MakeTwo, request: pytest.FixtureRequest) -> ResultBackend:
    return make_two(backwards=request.param)


def test_what_the_new_one_does_not_have_is_read_from_the_old_one(
    two: ResultBackend, app: Celery, task_id: str
) -> None:
    assert two.get_state(task_id) == states.PENDING
    two.old.backend.store_result(task_id, "old", states.SUCCESS)
    assert AsyncResult(task_id, app=app).get(timeout=1) == "old"


def test_results_are_written_to_the_new_one_alone(two: ResultBackend, task_id: str) -> None:
    two.mark_as_done(task_id, 42)
    assert two.new.backend.get_result(task_id) == 42
    assert two.old.backend.get_state(task_id) == states.PENDING
    assert two.get_result(task_id) == 42


@pytest.mark.parametrize(
    ("new", "old", "read"),
    [
        (states.SUCCESS, states.SUCCESS, "new"),
        (states.FAILURE, states.SUCCESS, "old"),
        (states.SUCCESS, states.FAILURE, "new"),
        (states.STARTED, states.SUCCESS, "old"),
        (states.STARTED, states.REVOKED, "old"),
        (states.STARTED, states.RETRY, "new"),
        (states.FAILURE, states.STARTED, "new"),
        (None, states.STARTED, "old"),
    ],
)
def test_the_state_that_is_further_is_the_truth(
    two: ResultBackend, task_id: str, new: str | None, old: str, read: str
) -> None:
    def store(side: Side, state: str) -> None:
        raises = state in states.EXCEPTION_STATES
        result = ValueError(side.name) if raises else side.name
        side.backend.store_result(task_id, result, state)

    if new is not None:
        store(two.new, new)
    store(two.old, old)
    assert two.get_state(task_id) == (new if read == "new" else old)
    assert read in str(two.get_result(task_id))


def test_a_success_in_the_new_one_asks_the_old_one_nothing(
    make_two: MakeTwo, service: MemoryTableService, task_id: str
) -> None:
    two = make_two(backwards=True)
    two.mark_as_done(task_id, 1)
    service.requests.clear()
    assert two.get_result(task_id) == 1
    assert not service.requests


def test_the_members_of_a_group_may_be_in_either(two: ResultBackend, app: Celery) -> None:
    ids = [uuid() for _ in range(6)]
    for number, each in enumerate(ids):
        side = two.new if number % 2 else two.old
        side.backend.store_result(each, number, states.SUCCESS)
    group = GroupResult(uuid(), [AsyncResult(each, app=app) for each in ids], app=app)
    assert group.get(timeout=1) == list(range(6))
    assert group.completed_count() == 6
    two.old.backend.save_group(group.id, group)
    restored = GroupResult.restore(group.id, app=app)
    assert [each.id for each in restored.results] == ids
    restored.delete()
    assert GroupResult.restore(group.id, app=app) is None


def test_who_waits_hears_of_what_either_gets(
    two: ResultBackend, app: Celery, clock: PassingClock, task_id: str
) -> None:
    with pytest.raises(ResultTimeoutError):
        AsyncResult(task_id, app=app).get(timeout=3)
    assert clock.monotonic() >= 3
    two.old.backend.store_result(task_id, "late", states.SUCCESS)
    assert AsyncResult(task_id, app=app).get(timeout=3) == "late"


@pytest.mark.parametrize("timeout", [1, 10])
def test_nobody_waits_in_a_busy_loop(
    make_two: MakeTwo, app: Celery, service: MemoryTableService, task_id: str, timeout: int
) -> None:
    make_two()
    with pytest.raises(ResultTimeoutError):
        AsyncResult(task_id, app=app).get(timeout=timeout)
    assert service.requests.total() < 60


def test_results_can_be_awaited(two: ResultBackend, app: Celery, task_id: str) -> None:
    two.old.backend.store_result(task_id, "old", states.SUCCESS)
    assert asyncio.run(aget(AsyncResult(task_id, app=app), timeout=1)) == "old"


def test_forgotten_is_forgotten_in_both(two: ResultBackend, app: Celery, task_id: str) -> None:
    for side in (two.new, two.old):
        side.backend.store_result(task_id, 1, states.SUCCESS)
    AsyncResult(task_id, app=app).forget()
    assert [side.backend.get_state(task_id) for side in (two.new, two.old)] == ["PENDING"] * 2
    assert not two.task_result_exists(task_id)


# The mirror.


@pytest.mark.parametrize("backwards", [False, True])
def test_a_mirror_gets_every_state_and_group(
    make_two: MakeTwo, app: Celery, task_id: str, backwards: bool
) -> None:
    two = make_two(backwards=backwards, mirror="old")
    two.mark_as_started(task_id)
    assert two.old.backend.get_state(task_id) == states.STARTED
    two.mark_as_failure(task_id, KeyError("why"))
    assert two.old.backend.get_state(task_id) == states.FAILURE
    group = GroupResult(uuid(), [AsyncResult(task_id, app=app)], app=app)
    group.save()
    assert two.old.backend.get_group_meta(group.id)["result"].id == group.id


def test_a_mirror_that_is_down_costs_no_task(
    make_two: MakeTwo, service: MemoryTableService, clock: PassingClock,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    two = make_two(backwards=True, mirror="old")
    assert two.mirror is not None
    for _ in range(2):
        service.fail_next("PutItem", ThrottledError("slowly"))
    for number in range(3):
        two.mark_as_done(f"down-{number}-{uuid()}", number)
    assert two.mirror.missed == 3
    tries = service.requests["PutItem"]
    assert tries <= 2, "a mirror that is down is asked again and again"
    assert caplog.text.count("is not mirrored") == 1
    clock.advance(16)
    service.fail_next("PutItem", ThrottledError("still"))
    task_id = uuid()
    two.mark_as_done(task_id, 4)
    assert two.old.backend.get_result(task_id) == 4


def test_a_tasks_time_limit_is_no_fault_of_the_mirror(make_two: MakeTwo) -> None:
    two = make_two(mirror="old")
    assert two.mirror is not None

    def time_is_up(_: Any) -> None:
        raise SoftTimeLimitExceeded

    with pytest.raises(SoftTimeLimitExceeded):
        two.mirror.write("a state of a task that is still running", time_is_up)
    assert two.mirror.missed == 0


def test_the_new_one_being_down_is_the_tasks_failure(
    make_two: MakeTwo, service: MemoryTableService, task_id: str
) -> None:
    two = make_two(mirror="old")
    for _ in range(100):
        service.fail_next("PutItem", ThrottledError("slowly"))
    with pytest.raises(ThrottledError):
        two.mark_as_done(task_id, 1)
    assert two.old.backend.get_state(task_id) == states.PENDING


# Chords.


def total(numbers: list[int]) -> int:
    return sum(numbers)


@pytest.fixture
def body(app: Celery) -> Signature:
    app.task(total, name="body", shared=False)
    body: Signature = app.signature("body", task_id=f"body-{uuid()}")
    return body


class Bodies:
    """The bodies that were sent, in a queue in memory."""

    def __init__(self, app: Celery) -> None:
        self._app = app
        self.take()

    def take(self) -> list[Any]:
        with self._app.connection() as connection, connection.SimpleQueue("celery") as queue:
            return [queue.get(timeout=1).payload[0][0] for _ in range(queue.qsize())]


def begin(backend: Any, app: Celery, body: Signature, ids: list[str]) -> str:
    group_id = str(uuid())
    backend.apply_chord((group_id, [AsyncResult(each, app=app) for each in ids]), body)
    return group_id


def done(backend: Any, body: Signature, group_id: str, ids: list[str], index: int) -> None:
    request = Context(
        id=ids[index], group=group_id, group_index=index, chord=dict(body), ignore_result=False
    )
    backend.mark_as_done(ids[index], index, request=request)


@pytest.mark.parametrize("chords", ["new", "old"])
@pytest.mark.parametrize("deduplicates", [False, True])
def test_a_chord_is_ended_once_in_the_backend_in_which_it_begins(
    two: ResultBackend, app: Celery, body: Signature, make_two: MakeTwo,
    chords: str, deduplicates: bool,
) -> None:  # fmt: skip
    backwards = not two.new.is_ours
    two = make_two(backwards=backwards, chords=chords)
    app.conf.worker_deduplicate_successful_tasks = deduplicates
    sent, ids = Bodies(app), [uuid() for _ in range(3)]
    group_id = begin(two, app, body, ids)
    two.set_chord_size(group_id, 3)
    side = two.new if chords == "new" else two.old
    if side.is_ours:
        assert side.backend.chord_root(group_id)
    for index in (2, 0, 1):
        assert sent.take() == []
        done(two, body, group_id, ids, index)
    assert sent.take() == [[0, 1, 2]]
    assert [two.get_result(each) for each in ids] == [0, 1, 2]


def test_a_chord_that_began_before_is_ended_where_it_began(
    two: ResultBackend, app: Celery, body: Signature
) -> None:
    sent, ids = Bodies(app), [uuid() for _ in range(3)]
    group_id = begin(two.old.backend, app, body, ids)
    two.old.backend.set_chord_size(group_id, 3)
    done(two.old.backend, body, group_id, ids, 0)
    done(two, body, group_id, ids, 1)
    assert sent.take() == []
    done(two, body, group_id, ids, 2)
    assert sent.take() == [[0, 1, 2]]


def test_a_failed_part_fails_the_body_for_readers_of_both(
    make_two: MakeTwo, app: Celery, body: Signature
) -> None:
    two = make_two(mirror="old")
    ids = [uuid(), uuid()]
    group_id = begin(two, app, body, ids)
    two.set_chord_size(group_id, 2)
    done(two, body, group_id, ids, 0)
    request = Context(id=ids[1], group=group_id, group_index=1, chord=dict(body))
    two.mark_as_failure(ids[1], KeyError("why"), request=request)
    for backend in (two, two.new.backend, two.old.backend):
        assert backend.get_state(body.options["task_id"]) == states.FAILURE


def test_a_chord_whose_home_cannot_be_asked_is_told_to_its_caller(
    make_two: MakeTwo, app: Celery, body: Signature, service: MemoryTableService
) -> None:
    two = make_two()
    ids = [uuid(), uuid()]
    group_id = begin(two, app, body, ids)
    for _ in range(100):
        service.fail_next("GetItem", ThrottledError("slowly"))
    done(two, body, group_id, ids, 0)
    body_id = body.options["task_id"]
    found = two.read_payloads([ids[0], body_id])
    assert [found[each]["status"] for each in (ids[0], body_id)] == ["SUCCESS", "FAILURE"]


def test_where_a_chord_lives_is_asked_once(
    make_two: MakeTwo, app: Celery, body: Signature, service: MemoryTableService
) -> None:
    two = make_two()
    ids = [uuid() for _ in range(5)]
    group_id = begin(two, app, body, ids)
    two.set_chord_size(group_id, 5)
    service.requests.clear()
    for index in range(4):
        done(two, body, group_id, ids, index)
    assert service.requests["GetItem"] == 1


def test_tasks_are_added_to_a_chord_where_it_lives(
    make_two: MakeTwo, app: Celery, body: Signature
) -> None:
    two = make_two()
    sent, ids = Bodies(app), [uuid(), uuid()]
    group_id = begin(two, app, body, ids[:1])
    two.set_chord_size(group_id, 1)
    two.add_to_chord(group_id, AsyncResult(ids[1], app=app))
    done(two, body, group_id, ids, 0)
    assert sent.take() == []
    done(two, body, group_id, ids, 1)
    assert sent.take() == [[0, 1]]


# What it is made of.


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "new_backend"),
        ({"new": OURS, "old_backend": THEIRS}, "new_backend"),
        ({**URLS, "mirror": "new"}, "'old', or None"),
        ({**URLS, "chords": "both"}, "'new' or 'old'"),
        ({**URLS, "global_keyprefix": "p"}, "unknown option 'global_keyprefix'"),
        ({**URLS, "old_backend": "rpc://"}, "keeps no results"),
        ({**URLS, "old_backend": "disabled://"}, "no results are kept"),
        ({**URLS, "old_backend": "nonsense://"}, r"\['old_backend'\]"),
        ({**URLS, "old_backend": "no url"}, "URL of a result backend"),
        ({**URLS, "old_backend": "redis://:se/cret@host/1"}, "no such URL. Percent-encode"),
        ({**URLS, "old_backend": "redis//:se/cret@host/1"}, r"'redis//\*\*@host/1'"),
        ({**URLS, "new_backend": THEIRS}, "neither"),
        ({**URLS, "new_options": {"nonsense": 1}}, "unknown option 'nonsense'"),
    ],
)
def test_a_wrong_option_is_an_error_at_the_start(
    app: TwoApp, options: dict[str, Any], message: str
) -> None:
    app.conf.result_backend_transport_options = options
    with pytest.raises(ConfigurationError, match=message) as error:
        ResultBackend(app)
    assert "'se'" not in str(error.getrepr())
    assert "cret" not in str(error.value)


def test_each_side_has_options_of_its_own(app: TwoApp) -> None:
    app.conf.result_backend_transport_options = {
        **URLS,
        "new_options": {"global_keyprefix": "ours_"},
        "old_options": {"global_keyprefix": "theirs_"},
    }
    two = ResultBackend(app)
    assert two.new.backend.get_key_for_task("x") == b"ours_celery-task-meta-x"
    assert two.old.backend.get_key_for_task("x") == b"theirs_celery-task-meta-x"


def test_options_with_a_namespace_in_front_are_found(task_id: str) -> None:
    app = TwoApp("django", set_as_current=False, broker="memory://", namespace="CELERY")
    app.config_from_object(
        {
            "CELERY_RESULT_BACKEND": "celery_aws.migrate:ResultBackend",
            "CELERY_RESULT_BACKEND_TRANSPORT_OPTIONS": {
                **URLS,
                "old_options": {"global_keyprefix": "theirs_"},
            },
        },
        namespace="CELERY",
    )
    two = ResultBackend(app)
    assert two.old.backend.get_key_for_task("x") == b"theirs_celery-task-meta-x"


def test_no_secret_shows(app: TwoApp) -> None:
    secret = "wJalrXUtnFEMI"
    app.conf.result_backend_transport_options = {
        "new_backend": f"aws+dynamodb://AKIAEXAMPLE:{secret}@eu-west-1/results",
        "old_backend": f"redis://:{secret}@localhost:1/2",
        "old_options": {"sentinel_kwargs": {"password": secret}},
        "new_options": {"session_token": secret},
    }
    two = ResultBackend(app)
    assert secret not in two.as_uri()
    assert "localhost:1/2" in two.as_uri()
    assert secret in two.as_uri(include_password=True)
    shown = str(filter_hidden_settings(dict(app.conf.items())))
    assert secret not in shown
    assert "localhost:1/2" in shown
    assert secret not in app.conf.humanize()
    assert secret not in repr(pickle.dumps(two))


def test_it_is_one_for_all_threads_if_both_can_be(app: TwoApp) -> None:
    options = {**URLS, "old_backend": "redis://localhost:1/"}
    app.conf.result_backend_transport_options = options
    assert ResultBackend(app).thread_safe
    app.conf.result_backend_transport_options = URLS
    assert not ResultBackend(app).thread_safe


def test_operators_find_the_table(two: ResultBackend, app: TwoApp) -> None:
    assert our_backend(app) is two.ours
    settings = our_settings(app)
    assert settings is not None
    assert settings.table == "results"
    assert [each.name for each in deployment_of(app).tables] == ["results"]
