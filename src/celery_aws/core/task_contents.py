"""What the envelope of a task says of it, and the same envelope without an eta.

For who looks at a task from outside of any worker: bodies are read only if they are JSON, so that
nothing that somebody published is run. Facts: celery/app/amqp.py ``as_task_v1`` and
``as_task_v2``; celery/worker/strategy.py ``hybrid_to_proto2`` and ``proto1_to_proto2``;
celery/worker/request.py ``Request._context``.
"""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kombu.utils.json import dumps

from celery_aws.core.bodies import received_body
from celery_aws.core.compression import HEADER
from celery_aws.core.envelope import encode_body, load_envelope

#: Headers of which a task of protocol 2 has all (celery/app/amqp.py).
_PROTOCOL_2 = frozenset({"eta", "id", "task"})

#: Characters of a representation that is made here; Celery's own has as many.
_REPRESENTATION_CHARACTERS = 1_024


@dataclass(frozen=True, kw_only=True)
class TaskContents:
    """What an envelope says.

    Attributes:
        protocol: 1 or 2 of Celery's; None if it is no task, or one whose body is not read here.
        fields: of the task by Celery's names, such as ``retries``; its headers, and for protocol 1
            what the body says beside the arguments.
        headers: of the message.
        properties: of the message.
        content_type: of the body.
        arguments: args and kwargs as text; None if nobody wrote them down.
        embed: what else Celery puts beside the arguments (``chord``, ``callbacks``, ...); None if
            the body is not read here.
    """

    protocol: int | None
    fields: Mapping[str, Any]
    headers: Mapping[str, Any]
    properties: Mapping[str, Any]
    content_type: str | None
    arguments: tuple[str, str] | None
    embed: Mapping[str, Any] | None

    @property
    def request(self) -> dict[str, Any] | None:
        """What a worker would know as the request; None without what a result may need of it.

        A task that is in no group is in no chord, so its body says nothing that matters.
        """
        if self.embed is None and (self.protocol is None or self.fields.get("group")):
            return None
        return {
            **self.fields,
            **(self.embed or {}),
            "delivery_info": self.properties.get("delivery_info"),
            "reply_to": self.properties.get("reply_to"),
            "correlation_id": self.properties.get("correlation_id"),
        }


def task_contents(text: str) -> TaskContents:
    """Return what an envelope, in any of its forms, says of its task; never raises."""
    envelope = load_envelope(text)
    headers = envelope["headers"]
    body = received_body(envelope, mentioning=b"")
    common: dict[str, Any] = {
        "headers": headers,
        "properties": envelope["properties"],
        "content_type": envelope.get("content-type"),
    }
    if headers.keys() >= _PROTOCOL_2:
        return TaskContents(
            protocol=2,
            fields=headers,
            arguments=_written_arguments(headers),
            embed=_embed_of(body),
            **common,
        )
    if isinstance(body, dict) and "args" in body:
        said = {name: value for name, value in body.items() if name not in ("args", "kwargs")}
        group = headers.get("group") or body.get("group") or body.get("taskset")
        return TaskContents(
            protocol=1,
            fields={**said, **headers, "group": group},
            arguments=(_shown(body["args"]), _shown(body.get("kwargs", {}))),
            embed={"chord": body.get("chord")},
            **common,
        )
    return TaskContents(protocol=None, fields=headers, arguments=None, embed=None, **common)


def without_eta(text: str) -> str:
    """Return an envelope whose task is due at once, and the same otherwise.

    Raises:
        ValueError: the eta is where nothing is read here.
    """
    loaded = load_envelope(text)
    plain, encoded = _unwrapped(text.strip())
    if loaded["headers"].keys() >= _PROTOCOL_2:
        # Read again, by the standard library: it makes nothing of what it reads.
        envelope = json.loads(plain)
        envelope["headers"]["eta"] = None
    else:
        body = _body_with_eta(loaded)
        envelope = json.loads(plain)
        _put_body(envelope, {**body, "eta": None})
    written = json.dumps(envelope)
    return base64.b64encode(written.encode()).decode("ascii") if encoded else written


def _body_with_eta(envelope: Mapping[str, Any]) -> Mapping[str, Any]:
    body = received_body(envelope, mentioning=b"")
    if isinstance(body, dict) and "args" in body:
        return body
    raise ValueError(
        "its eta is in its body (task_protocol 1), and a body is only read here if it is JSON; "
        f"this one is {envelope.get('content-type') or 'no message of Celery'}"
    )


def _put_body(envelope: dict[str, Any], body: Mapping[str, Any]) -> None:
    headers = envelope.get("headers") or {}
    # For an eta the worker looks there first; and what is written here is not compressed.
    envelope["headers"] = {
        name: value for name, value in headers.items() if name not in ("eta", HEADER)
    }
    envelope["body"], encoding = encode_body(dumps(body))
    envelope["properties"]["body_encoding"] = encoding


def _unwrapped(text: str) -> tuple[str, bool]:
    """Return the JSON of an envelope, and whether it was base64 as a whole."""
    if text.startswith("{"):
        return text, False
    try:
        return base64.b64decode(text, validate=True).decode(), True
    except ValueError:
        return text, False


def _embed_of(body: Any) -> Mapping[str, Any] | None:
    embed = body[2] if isinstance(body, list) and len(body) == 3 else None
    return embed if isinstance(embed, dict) else None


def _written_arguments(headers: Mapping[str, Any]) -> tuple[str, str] | None:
    args, kwargs = headers.get("argsrepr"), headers.get("kwargsrepr")
    if args is None and kwargs is None:
        return None
    return str(args), str(kwargs)


def _shown(value: Any) -> str:
    shown = repr(value)
    if len(shown) <= _REPRESENTATION_CHARACTERS:
        return shown
    return f"{shown[:_REPRESENTATION_CHARACTERS]}..."
