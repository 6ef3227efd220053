from celery_aws.migrate.redis.bindings import Bindings, StoredBinding, stored_binding
from celery_aws.migrate.redis.entries import HeldEntry
from celery_aws.names import AmqpQueue

SEPARATOR = "\x06\x16"

TOPIC = stored_binding(
    SEPARATOR.join(["media.video.#", r"^media\.video\..*?$", "video"]).encode(), SEPARATOR
)
DIRECT = stored_binding(SEPARATOR.join(["work", "", "work"]).encode(), SEPARATOR)


def queues(exchange: str, routing_key: str) -> list[str]:
    assert TOPIC is not None
    assert DIRECT is not None
    bindings = Bindings(by_exchange={"media": [TOPIC], "work": [DIRECT]})
    held = HeldEntry(payload={}, exchange=exchange, routing_key=routing_key)
    return list(bindings.queues_of(held))


def test_without_an_exchange_the_routing_key_is_the_queue() -> None:
    assert queues("", "celery") == ["celery"]
    assert queues("", "") == []


def test_a_topic_exchange_is_known_by_its_patterns() -> None:
    assert queues("media", "media.video.cut") == ["video"]
    assert queues("media", "media.audio.cut") == []


def test_any_other_exchange_matches_by_the_whole_key() -> None:
    assert queues("work", "work") == ["work"]
    assert queues("work", "work.more") == []
    assert queues("nobody-bound-it", "work") == []


def test_a_member_that_is_no_binding_is_none() -> None:
    assert stored_binding(b"one", SEPARATOR) is None


def test_a_pattern_that_is_no_expression_matches_nothing() -> None:
    broken = StoredBinding(routing_key="a", pattern="(", queue=AmqpQueue("work"))

    assert not broken.matches("a")
