"""Large results on the doubles: what they cost, where they are, and what is left of them."""

import logging
from typing import Any

import pytest

from celery_aws.core.attributes import Item, binary_of, number, number_of, text
from celery_aws.core.large_results import (
    CONTENT,
    MARGIN_BYTES,
    PIECE_EXTRA_LIFE_SECONDS,
    room_bytes,
)
from celery_aws.errors import (
    AccessDeniedError,
    BucketNotFoundError,
    ConfigurationError,
    ResultUnreadableError,
    ServiceFaultError,
    ThrottledError,
    UnreachableError,
)
from celery_aws.limits import DYNAMODB_ITEM_BYTES
from celery_aws.names import BucketName, TableName
from celery_aws.results.items import result_item
from celery_aws.table.batches import DEADLINE_SECONDS
from tests.unit.results.conftest import TABLE
from tests.unit.results.large_scene import (
    BUCKET,
    LIFE_SECONDS,
    PREFIX,
    Scene,
    meta,
    noise,
)
from tests.unit.results.test_store import KEY

LARGE = meta("SUCCESS", 1_400_000)
LARGE_FAILURE = meta("FAILURE", 1_000_000)
SMALL = meta("SUCCESS", 1_000)
SMALL_FAILURE = meta("FAILURE", 1_000)
COMPRESSIBLE = meta("SUCCESS", 1_000)[:-2] + b"row;" * 1_000_000 + b'"}'


@pytest.fixture(params=["table", "S3"])
def scene(request: pytest.FixtureRequest) -> Scene:
    return Scene(has_bucket=request.param == "S3")


@pytest.fixture
def in_table() -> Scene:
    return Scene(has_bucket=False)


@pytest.fixture
def in_s3() -> Scene:
    return Scene(has_bucket=True)


def test_a_small_result_costs_one_request_either_way(scene: Scene) -> None:
    scene.write(SMALL_FAILURE)
    scene.write(SMALL)
    assert scene.spent() == {"PutItem": 2}
    assert scene.store.read(KEY) == SMALL
    assert scene.spent() == {"GetItem": 1}
    assert scene.store.read_many([KEY]) == {KEY: SMALL}
    assert scene.spent() == {"BatchGetItem": 1}
    scene.store.delete(KEY)
    assert scene.spent() == {"DeleteItem": 1}


def test_what_fits_compressed_costs_no_more(scene: Scene) -> None:
    scene.write(COMPRESSIBLE)
    assert scene.spent() == {"PutItem": 1}
    assert scene.store.read(KEY) == COMPRESSIBLE
    assert scene.spent() == {"GetItem": 1}
    assert scene.store.read_many([KEY]) == {KEY: COMPRESSIBLE}
    assert scene.spent() == {"BatchGetItem": 1}
    scene.store.delete(KEY)
    assert scene.spent() == {"DeleteItem": 1}


def test_pieces_cost_a_request_each_way(in_table: Scene) -> None:
    in_table.write(LARGE)
    assert in_table.spent() == {"BatchWriteItem": 1, "PutItem": 1}
    assert in_table.store.read(KEY) == LARGE
    assert in_table.spent() == {"GetItem": 1, "BatchGetItem": 1}
    in_table.store.delete(KEY)
    assert in_table.spent() == {"DeleteItem": 1, "BatchWriteItem": 1}
    assert in_table.tables.items(TABLE) == []


def test_an_object_costs_a_request_each_way(in_s3: Scene) -> None:
    in_s3.write(LARGE)
    assert in_s3.spent() == {"PutObject": 1, "PutItem": 1}
    assert [key.startswith(PREFIX) for key in in_s3.s3.objects(BUCKET)] == [True]
    assert in_s3.store.read(KEY) == LARGE
    assert in_s3.spent() == {"GetItem": 1, "GetObject": 1}
    in_s3.store.delete(KEY)
    assert in_s3.spent() == {"DeleteItem": 1, "DeleteObjects": 1}
    assert in_s3.s3.objects(BUCKET) == {}


def test_pieces_of_many_results_are_read_together(in_table: Scene) -> None:
    keys = [b"task-%d" % number for number in range(12)]
    wanted = {key: meta("SUCCESS", 700_000, seed) for seed, key in enumerate(keys)}
    for key, payload in wanted.items():
        in_table.write(payload, key)
    in_table.write(SMALL)
    in_table.spent()
    assert in_table.store.read_many([*keys, KEY, b"none"]) == {**wanted, KEY: SMALL}
    assert in_table.spent() == {"BatchGetItem": 2}


def test_ten_megabytes_without_compression(in_table: Scene) -> None:
    payload = noise(10_000_000)
    in_table.store.write(KEY, payload, life_seconds=None)
    assert in_table.spent() == {"BatchWriteItem": 2, "PutItem": 1}
    assert in_table.store.read(KEY) == payload
    assert in_table.spent() == {"GetItem": 1, "BatchGetItem": 1}
    assert 9_766 < in_table.tables.write_units < 9_900, "a unit for each kilobyte"


def test_a_result_that_does_not_shrink_is_kept_as_it_is(in_table: Scene) -> None:
    in_table.store.write(KEY, noise(500_000), life_seconds=None)
    assert "compression" not in in_table.head()
    in_table.write(COMPRESSIBLE, b"other")
    assert any("compression" in item for item in in_table.tables.items(TABLE))


@pytest.mark.parametrize("more", [-1, 0, 1])
def test_an_item_is_used_up_to_the_margin(scene: Scene, more: int) -> None:
    head = result_item(KEY, b"", now=scene.clock.now(), life_seconds=LIFE_SECONDS)
    payload = noise(room_bytes(head) + more)
    scene.store.write(KEY, payload, life_seconds=LIFE_SECONDS)
    assert scene.read() == payload
    assert (binary_of(scene.head(), "result") == payload) is (more <= 0)
    assert len(payload) > DYNAMODB_ITEM_BYTES - MARGIN_BYTES - 200


@pytest.mark.parametrize("payload", [LARGE, COMPRESSIBLE], ids=["pieces", "compressed"])
def test_celerys_own_backend_finds_no_result(scene: Scene, payload: bytes) -> None:
    scene.write(payload)
    assert binary_of(scene.head(), "result") == b""


def test_a_large_success_is_not_overwritten_and_the_loser_leaves_nothing(scene: Scene) -> None:
    assert scene.write(LARGE)
    assert not scene.write(LARGE_FAILURE)
    assert not scene.write(SMALL_FAILURE)
    assert scene.read() == LARGE
    assert scene.unused() == 0


@pytest.mark.parametrize("new", [SMALL, LARGE, COMPRESSIBLE], ids=["small", "large", "compressed"])
def test_what_is_replaced_is_deleted(scene: Scene, new: bytes) -> None:
    scene.write(LARGE_FAILURE)
    scene.write(new)
    assert scene.read() == new
    assert scene.unused() == 0


def test_a_group_is_replaced_and_deleted_likewise(scene: Scene) -> None:
    scene.store.write(KEY, LARGE, life_seconds=None)
    scene.store.write(KEY, LARGE_FAILURE, life_seconds=None)
    assert scene.read() == LARGE_FAILURE
    assert scene.unused() == 0
    scene.store.delete(KEY)
    assert scene.tables.items(TABLE) == []
    assert scene.s3.objects(BUCKET) == {}


def test_pieces_live_a_little_longer_than_their_head(in_table: Scene) -> None:
    in_table.write(LARGE)
    ends = number_of(in_table.head(), "ttl") or 0
    assert {number_of(item, "ttl") for item in in_table.pieces()} == {
        ends + PIECE_EXTRA_LIFE_SECONDS
    }


def test_a_large_result_for_ever(in_table: Scene) -> None:
    in_table.write(LARGE, life_seconds=None)
    assert not any("ttl" in item for item in in_table.tables.items(TABLE))


def test_an_expired_large_result_is_absent_and_makes_room(scene: Scene) -> None:
    scene.write(LARGE)
    scene.clock.advance(LIFE_SECONDS + 2)
    assert scene.read() is None
    assert scene.write(LARGE_FAILURE)
    assert scene.read() == LARGE_FAILURE
    assert scene.unused() == 0


def test_the_first_large_result_makes_the_table() -> None:
    scene = Scene(has_bucket=False)
    nowhere = TableName("not-there")
    object.__setattr__(scene.store, "table", nowhere)
    assert scene.write(LARGE)
    assert scene.store.read(KEY) == LARGE


# What goes wrong.


@pytest.mark.parametrize("failures", [1, 40])
def test_pieces_that_are_throttled(in_table: Scene, failures: int) -> None:
    in_table.tables.batch_writes.extend([0] * failures)
    if failures == 1:
        assert in_table.write(LARGE)
        assert in_table.read() == LARGE
        return
    with pytest.raises(ThrottledError, match="BatchWriteItem for results"):
        in_table.write(LARGE)
    assert in_table.tables.items(TABLE) == []


def test_a_head_that_is_throttled_is_put_again_and_its_pieces_are_not(scene: Scene) -> None:
    for _ in range(3):
        scene.tables.fail_next("PutItem", ThrottledError("slower"))
    scene.write(LARGE)
    kept = {"PutObject": 1} if scene.has_bucket else {"BatchWriteItem": 1}
    assert scene.spent() == {**kept, "PutItem": 4}
    assert scene.clock.sleeps == [0.05, 0.1, 0.2]
    assert scene.read() == LARGE


def test_a_head_that_is_throttled_for_ever(scene: Scene) -> None:
    for _ in range(100):
        scene.tables.fail_next("PutItem", ThrottledError("slower"))
    with pytest.raises(ThrottledError):
        scene.write(LARGE)
    assert DEADLINE_SECONDS <= sum(scene.clock.sleeps) < DEADLINE_SECONDS + 3


@pytest.mark.parametrize("payload", [SMALL, COMPRESSIBLE], ids=["small", "compressed"])
def test_what_has_only_its_head_is_put_once(scene: Scene, payload: bytes) -> None:
    scene.tables.fail_next("PutItem", ThrottledError("slower"))
    with pytest.raises(ThrottledError):
        scene.write(payload)
    assert scene.spent() == {"PutItem": 1}


def test_an_object_that_may_not_be_written_is_not_deleted(in_s3: Scene) -> None:
    in_s3.s3.faults.fail("PutObject", AccessDeniedError("no"))
    with pytest.raises(AccessDeniedError):
        in_s3.write(LARGE)
    assert in_s3.spent() == {"PutObject": 1}


def test_pieces_that_may_not_be_written(in_table: Scene) -> None:
    in_table.write(SMALL_FAILURE)
    in_table.tables.fail_next("BatchWriteItem", AccessDeniedError("no"))
    with pytest.raises(AccessDeniedError):
        in_table.write(LARGE)
    assert in_table.read() == SMALL_FAILURE
    assert in_table.unused() == 0


def test_pieces_of_which_some_were_written_are_deleted(in_table: Scene) -> None:
    in_table.tables.batch_writes.append(2)
    answers = iter([None, AccessDeniedError("no more")])

    def refuse_the_second(operation: str) -> None:
        error = next(answers, None)
        if error is not None:
            assert len(in_table.pieces()) == 2
            raise error

    in_table.steps.intervention = refuse_the_second
    with pytest.raises(AccessDeniedError):
        in_table.write(LARGE)
    assert in_table.tables.items(TABLE) == []


def test_a_head_that_may_not_be_written_leaves_nothing(scene: Scene) -> None:
    scene.tables.fail_next("PutItem", AccessDeniedError("no"))
    with pytest.raises(AccessDeniedError):
        scene.write(LARGE)
    scene.tables.fail_next("PutItem", AccessDeniedError("no"))
    with pytest.raises(AccessDeniedError):
        scene.store.write(KEY, LARGE, life_seconds=None)
    assert scene.tables.items(TABLE) == []
    assert scene.s3.objects(BUCKET) == {}


def test_a_head_without_an_answer_keeps_what_it_shows(scene: Scene) -> None:
    """AWS may have it: then a reader needs what it shows; else that expires."""
    scene.tables.fail_next("PutItem", UnreachableError("no answer"))
    with pytest.raises(UnreachableError):
        scene.write(LARGE)
    assert scene.read() is None
    assert scene.unused() > 0
    assert all("ttl" in piece for piece in scene.pieces())
    assert scene.write(LARGE)
    assert scene.read() == LARGE


@pytest.mark.parametrize(
    "error", [AccessDeniedError("no"), ServiceFaultError("x"), UnreachableError("y")]
)
def test_a_failed_cleaning_is_one_line_in_the_log(
    scene: Scene, error: Any, caplog: pytest.LogCaptureFixture
) -> None:
    scene.write(LARGE_FAILURE)
    scene.tables.fail_next("BatchWriteItem", error)
    scene.s3.faults.fail("DeleteObjects", error)
    with caplog.at_level(logging.WARNING):
        assert scene.write(SMALL)
    (record,) = caplog.records
    assert record.getMessage().startswith("what is left of a large result is not deleted: ")
    assert scene.read() == SMALL
    assert scene.unused() > 0


def test_an_object_that_s3_refuses_to_delete_is_one_line_too(
    in_s3: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    in_s3.write(LARGE)
    in_s3.s3.faults.refuse_entries("DeleteObjects", code="AccessDenied")
    with caplog.at_level(logging.WARNING):
        in_s3.store.delete(KEY)
    assert "AccessDenied" in caplog.text
    assert in_s3.read() is None


def test_a_piece_that_is_gone_for_good_is_an_error_after_one_more_look(in_table: Scene) -> None:
    in_table.write(LARGE)
    in_table.tables.delete_item(TABLE, {"id": in_table.pieces()[1]["id"]})
    in_table.spent()
    with pytest.raises(ResultUnreadableError, match=r"meta-1.* 1 of its 5 pieces are missing") as e:
        in_table.store.read(KEY)
    assert e.value.key == repr(KEY)
    assert in_table.spent() == {"GetItem": 1, "BatchGetItem": 2}
    with pytest.raises(ResultUnreadableError):
        in_table.store.read_many([KEY, b"other"])


def test_a_piece_that_was_changed_is_an_error(in_table: Scene) -> None:
    in_table.write(LARGE)
    in_table.tables.put_item(TABLE, {**in_table.pieces()[1], "piece": {"B": b"x"}})
    with pytest.raises(ResultUnreadableError, match=r"not compressed|cut off|stored of"):
        in_table.store.read(KEY)


def test_an_object_that_is_gone_for_good(in_s3: Scene) -> None:
    in_s3.write(LARGE)
    in_s3.s3.delete_batch(BUCKET, list(in_s3.s3.objects(BUCKET)))
    with pytest.raises(ResultUnreadableError, match=r"NoSuchKey.*lifecycle rule"):
        in_s3.store.read(KEY)
    in_s3.s3.faults.fail("GetObject", AccessDeniedError("no ListBucket"), times=2)
    with pytest.raises(AccessDeniedError):
        in_s3.store.read(KEY)


def test_an_object_that_cannot_be_read_for_now_is_a_temporary_error(in_s3: Scene) -> None:
    in_s3.write(LARGE)
    in_s3.s3.faults.fail("GetObject", ServiceFaultError("500"))
    with pytest.raises(ServiceFaultError):
        in_s3.store.read(KEY)
    assert in_s3.read() == LARGE


def test_a_bucket_that_does_not_exist_is_named_with_its_option(in_s3: Scene) -> None:
    object.__setattr__(in_s3.store.objects, "bucket", BucketName("missing"))
    with pytest.raises(BucketNotFoundError, match="large_result_bucket"):
        in_s3.write(LARGE)
    assert in_s3.read() is None


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"bucket": text("others")}, r"s3://others/results/.*large_result_bucket is 'my-bucket'"),
        ({"object_key": text("secrets/1")}, r"large_result_prefix is 'results/'"),
        ({"object_key": text("results/")}, r"large_result_prefix"),
        ({"object_key": text("results/../secrets/1")}, r"a part '.' or '..'"),
    ],
)
def test_nothing_is_read_or_deleted_outside_of_the_bucket_and_the_prefix(
    in_s3: Scene, changes: Item, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    in_s3.write(LARGE)
    in_s3.tables.put_item(TABLE, {**in_s3.head(), **changes})
    in_s3.spent()
    with pytest.raises(ConfigurationError, match=words):
        in_s3.store.read(KEY)
    in_s3.store.delete(KEY)
    assert set(in_s3.spent()) == {"GetItem", "BatchGetItem", "DeleteItem"}
    assert "is not deleted" in caplog.text


def test_a_reader_without_the_bucket_is_told_so(in_s3: Scene) -> None:
    in_s3.write(LARGE)
    object.__setattr__(in_s3.store.objects, "bucket", None)
    with pytest.raises(ConfigurationError, match=r"large_result_bucket is not set here.*readers"):
        in_s3.store.read(KEY)


def test_a_head_shows_no_pieces_of_another_result(in_table: Scene) -> None:
    in_table.write(LARGE, b"other")
    theirs = next(item for item in in_table.tables.items(TABLE) if "version" in item)
    in_table.tables.put_item(TABLE, {**theirs, "id": text(repr(KEY))})
    with pytest.raises(ResultUnreadableError, match="5 of its 5"):
        in_table.store.read(KEY)
    in_table.store.delete(KEY)
    assert in_table.store.read(b"other") == LARGE


def test_what_a_newer_version_wrote_is_an_error_and_is_left_alone(in_table: Scene) -> None:
    in_table.write(LARGE)
    in_table.tables.put_item(TABLE, {**in_table.head(), "large_format": number(2)})
    with pytest.raises(ResultUnreadableError, match="newer version"):
        in_table.store.read(KEY)
    in_table.store.delete(KEY)
    assert len(in_table.pieces()) == 5


def test_an_object_is_where_its_head_says(in_s3: Scene) -> None:
    in_s3.write(LARGE)
    (key,) = in_s3.s3.objects(BUCKET)
    head = in_s3.head()
    assert (head["bucket"], head["object_key"]) == (text(BUCKET), text(key))
    assert CONTENT not in head
