"""Which queues go where, and which stay."""

from celery_aws.migrate.destinations import Destinations, destinations
from celery_aws.names import AmqpQueue, QueueName
from tests.unit.migrate.scenes import side, target

A, B, NEW = AmqpQueue("a"), AmqpQueue("b"), AmqpQueue("new")
MISSING = (QueueName("q"),)


def test_queues_keep_their_names() -> None:
    assert destinations([A, B], {}, side(target("a"), target("b"))) == Destinations(
        moved={A: A, B: B}
    )


def test_only_those_that_are_wanted_go_and_may_have_new_names() -> None:
    found = destinations([A, B], {A: NEW}, side(target("new")))

    assert found == Destinations(moved={A: NEW})


def test_a_queue_that_nobody_would_consume_stays() -> None:
    found = destinations([A], {}, side(target("a", named=False, missing=MISSING)))

    assert found.moved == {}
    assert "no worker would consume it" in found.blocked[A]


def test_who_names_it_takes_care_of_that() -> None:
    new_side = side(target("a", named=False, missing=MISSING))

    assert destinations([A], {A: A}, new_side).moved == {A: A}


def test_a_queue_that_is_there_is_taken_for_consumed() -> None:
    assert destinations([A], {}, side(target("a", named=False))).moved == {A: A}


def test_a_queue_that_may_not_be_created_has_to_be_provisioned() -> None:
    found = destinations([A], {}, side(target("a", missing=MISSING), creates_queues=False))

    assert "provision" in found.blocked[A]


def test_a_name_that_sqs_does_not_take_blocks() -> None:
    found = destinations([A], {A: NEW}, side(target("new", problem="80 characters")))

    assert found == Destinations(blocked={A: "80 characters"})
