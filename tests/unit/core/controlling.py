"""Names, messages, bindings, and whatever else may be where they are read, for hypothesis."""

import json
from typing import Any

from hypothesis import strategies as st

from celery_aws.core.attributes import Item
from celery_aws.core.routing import KINDS, Binding, ExchangeKind
from celery_aws.names import AmqpQueue, InboxId, QueueUrl

#: AMQP's names have up to 255 bytes, of any character of UTF-8.
_CHARACTERS = st.characters(exclude_categories=["Cs"])

#: Names that have come to be what separates, ends, or is the start of others in a key.
NAMES = st.one_of(
    st.text(_CHARACTERS, max_size=20),
    st.text("ab/~%.#-_é", max_size=6),
    st.sampled_from(["", "~", "/", "%", "%7E", "%2F", "a/b", "a~", "é" * 127, "x" * 200]),
    st.integers(190, 255).map(lambda length: "x" * length),
)

#: Whatever JSON says, types of kombu's among it.
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda children: (
        st.lists(children, max_size=4)
        | st.dictionaries(st.text(max_size=12), children, max_size=4)
        | st.fixed_dictionaries(
            {
                "__type__": st.sampled_from(
                    ["decimal", "uuid", "datetime", "base64", "bytes", "?"]
                ),
                "__value__": children,
            }
        )
    ),
    max_leaves=12,
)

#: Text that somebody may have put where JSON is read.
WRONG_TEXTS = st.one_of(
    st.text(max_size=40),
    JSON_VALUES.map(json.dumps),
    st.sampled_from(["[" * 100_000, "9" * 5_000, '{"a":', "NaN", "\ufeff{}"]),
)

HEADERS = st.dictionaries(
    st.text(max_size=12),
    st.none()
    | st.integers()
    | st.text(max_size=12)
    | st.datetimes()
    | st.decimals(allow_nan=False),
    max_size=4,
)

VIRTUAL_MESSAGES = st.fixed_dictionaries(
    {
        "body": st.text(max_size=200),
        "content-type": st.just("application/json"),
        "content-encoding": st.just("utf-8"),
        "headers": HEADERS,
        "properties": st.fixed_dictionaries(
            {
                "body_encoding": st.sampled_from(["utf-8", "base64"]),
                "delivery_info": st.fixed_dictionaries({"exchange": NAMES, "routing_key": NAMES}),
                "delivery_tag": st.uuids().map(str),
            }
        ),
    }
)

#: Whatever an attribute of an item in DynamoDB may be, in boto3's low-level form.
ATTRIBUTES = st.one_of(
    WRONG_TEXTS.map(lambda value: {"S": value}),
    st.sampled_from(["0", "1", "-1", "2.5", "1E125", "-9.9E125", "1E-130"]).map(lambda n: {"N": n}),
    st.binary(max_size=40).map(lambda value: {"B": value}),
    st.sampled_from([{"NULL": True}, {"BOOL": False}, {"L": []}, {"M": {}}, {"SS": ["a"]}]),
)


def binding(
    exchange: str = "celery.pidbox",
    queue: str = "w@h.celery.pidbox",
    *,
    kind: ExchangeKind = "fanout",
    key: str = "",
    inbox: str | None = "i1",
    token: str = "t1",
) -> Binding:
    """Return a binding; that of a queue on SQS without ``inbox``."""
    return Binding(
        exchange=exchange,
        kind=kind,
        queue=AmqpQueue(queue),
        routing_key=key,
        inbox=None if inbox is None else InboxId(inbox),
        inbox_url=None if inbox is None else QueueUrl(f"https://sqs/{inbox}"),
        token=None if inbox is None else token,
    )


BINDINGS = st.builds(
    binding,
    NAMES,
    NAMES,
    kind=st.sampled_from(KINDS),
    key=NAMES,
    inbox=st.none() | st.uuids().map(lambda inbox: inbox.hex),
    token=st.uuids().map(str),
)


@st.composite
def spoiled(draw: st.DrawFn, items: st.SearchStrategy[Item]) -> dict[str, Any]:
    """Draw an item of which some attributes are others, or not there."""
    item: dict[str, Any] = dict(draw(items))
    for name in draw(st.lists(st.sampled_from(sorted(item)), min_size=1, max_size=3)):
        if draw(st.booleans()):
            item.pop(name, None)
        else:
            item[name] = draw(ATTRIBUTES)
    return item
