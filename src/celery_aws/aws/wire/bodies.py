"""Bodies of requests and answers in AWS's JSON, without botocore's models.

Only what the hot operations have: botocore's serializer writes their parameters as ``json.dumps``
does, bytes in base64, and its parser leaves out what is null. What cannot be told to be of that
kind is botocore's to write or to read.
"""

import json
import zlib
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from typing import Any

from botocore.awsrequest import AWSResponse

#: AWS's own type, and that of some of its emulators.
_JSON = ("application/x-amz-json-", "application/json")
_CHECKSUM = "x-amz-crc32"
_OK = 200

#: A message attribute as SQS takes it: which members, and of which type.
_ATTRIBUTE_TYPES = {"DataType": str, "StringValue": str, "BinaryValue": bytes}

_TEXTS = ("MessageBody", "MessageGroupId", "MessageDeduplicationId")


def body_of(parameters: Mapping[str, Any]) -> bytes | None:
    """Return the parameters of a call as botocore writes them; None leaves it to botocore."""
    messages = parameters.get("Entries") or (parameters,)
    if not all(map(_is_plain, messages)):
        return None
    try:
        return json.dumps(parameters, default=_base64).encode()
    except (TypeError, ValueError):
        return None


def _is_plain(message: Mapping[str, Any]) -> bool:
    """Tell whether what users can say of a message has the types that SQS's model asks for."""
    attributes = message.get("MessageAttributes")
    return all(isinstance(message.get(name, ""), str) for name in _TEXTS) and (
        attributes is None or all(map(_is_attribute, attributes.items()))
    )


def _is_attribute(named: tuple[Any, Any]) -> bool:
    name, attribute = named
    return (
        isinstance(name, str)
        and isinstance(attribute, Mapping)
        and "DataType" in attribute
        and all(
            isinstance(value, _ATTRIBUTE_TYPES.get(key, ())) for key, value in attribute.items()
        )
    )


def _base64(value: object) -> str:
    if isinstance(value, (bytes, bytearray)):
        return b64encode(value).decode("ascii")
    raise TypeError(f"{type(value).__name__} is not written here")


def contents_of(operation: str, answer: AWSResponse) -> dict[str, Any] | None:
    """Return an answer as botocore would; None leaves it to botocore.

    That is every answer but one of success, in JSON, whole as far as its checksum tells.
    """
    headers = answer.headers
    content = answer.content
    checksum = headers.get(_CHECKSUM)
    if answer.status_code != _OK or not headers.get("content-type", "").startswith(_JSON):
        return None
    if checksum is not None and checksum != str(zlib.crc32(content)):
        return None
    try:
        members = json.loads(content)
        return _READERS.get(operation, _without_nulls)(members)
    except (ValueError, TypeError, AttributeError):
        return None


def _without_nulls(members: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}


def _received(members: Mapping[str, Any]) -> dict[str, Any]:
    answer = _without_nulls(members)
    answer["Messages"] = [_message(_without_nulls(each)) for each in answer.get("Messages", ())]
    return answer


def _message(message: dict[str, Any]) -> dict[str, Any]:
    attributes = message.get("MessageAttributes")
    if attributes is not None:
        message["MessageAttributes"] = {
            name: _attribute(_without_nulls(each)) for name, each in attributes.items()
        }
    return message


def _attribute(attribute: dict[str, Any]) -> dict[str, Any]:
    if "BinaryValue" in attribute:
        attribute["BinaryValue"] = b64decode(attribute["BinaryValue"])
    return attribute


def _put(members: Mapping[str, Any]) -> dict[str, Any]:
    answer = _without_nulls(members)
    if "Attributes" in answer:
        answer["Attributes"] = {name: _value(each) for name, each in answer["Attributes"].items()}
    return answer


def _value(value: Mapping[str, Any]) -> dict[str, Any]:
    """Return an attribute of DynamoDB's with bytes where JSON has base64."""
    return {kind: _KINDS.get(kind, _same)(content) for kind, content in value.items()}


def _same(content: Any) -> Any:
    return content


_KINDS: Mapping[str, Callable[[Any], Any]] = {
    "B": b64decode,
    "BS": lambda contents: [b64decode(each) for each in contents],
    "L": lambda values: [_value(each) for each in values],
    "M": lambda values: {name: _value(each) for name, each in values.items()},
}

_READERS: Mapping[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
    "ReceiveMessage": _received,
    "PutItem": _put,
}
