import base64
import json
from typing import Any

import pytest

from celery_aws.migrate.messages import Carried
from celery_aws.migrate.redis.target import stored_entry
from celery_aws.names import AmqpQueue


def carried(body: str, encoding: str | None, **properties: Any) -> Carried:
    return Carried(
        key="key",
        queue=AmqpQueue("new"),
        priority=7,
        envelope={
            "body": body,
            "headers": {"id": "task-1", "task": "add"},
            "content-type": "application/json",
            "content-encoding": "utf-8",
            "properties": {"body_encoding": encoding, "priority": 0, **properties},
        },
    )


def stored(message: Carried) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(stored_entry(message, "tag"))
    return content


@pytest.mark.parametrize(("body", "encoding"), [("[1, 2]", "utf-8"), ("WzEsIDJd", "base64")])
def test_the_body_is_written_as_kombu_s_redis_transport_writes_it(body: str, encoding: str) -> None:
    content = stored(carried(body, encoding))

    assert base64.b64decode(content["body"]) == b"[1, 2]"
    assert content["properties"]["body_encoding"] == "base64"
    assert content["headers"] == {"id": "task-1", "task": "add"}


def test_it_has_a_tag_of_its_own_and_its_priority() -> None:
    properties = stored(carried("e30=", "base64", delivery_tag="old", expiration="5000"))[
        "properties"
    ]

    assert properties["delivery_tag"] == "tag"
    assert properties["priority"] == 7
    assert properties["expiration"] == "5000"


def test_without_an_exchange_it_is_put_back_into_the_queue_in_which_it_is() -> None:
    message = carried("e30=", "base64", delivery_info={"exchange": "", "routing_key": "old"})

    assert stored(message)["properties"]["delivery_info"]["routing_key"] == "new"


def test_with_an_exchange_it_is_put_back_by_that() -> None:
    information = {"exchange": "media", "routing_key": "media.video"}

    message = carried("e30=", "base64", delivery_info=information)

    assert stored(message)["properties"]["delivery_info"] == information


def test_a_body_that_is_not_what_it_says_is_an_error() -> None:
    with pytest.raises(ValueError, match="base64"):
        stored_entry(carried("e", "base64"), "tag")
