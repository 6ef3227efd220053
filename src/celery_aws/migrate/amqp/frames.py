"""Messages whose properties py-amqp cannot read, such as a time in milliseconds or a broken text.

py-amqp raises in the middle of a connection, so that such a message would end every run at the
place where it waits. Here it comes without properties, and says so; the bytes are kept. Facts:
amqp/method_framing.py, amqp/serialization.py.
"""

from collections.abc import Callable
from typing import Any

from amqp import method_framing
from amqp.serialization import PROPERTY_CLASSES
from amqp.spec import Basic

#: Frames with the properties of a message; what is in front of these: class, weight, size of body.
_HEADER_FRAME, _PROPERTIES_AT = 2, 12

#: Properties of which none is there.
_NONE = b"\0\0"

_NAME = "unread_properties"


def frame_handler(connection: Any, callback: Callable[..., Any]) -> Callable[..., Any]:
    """Return py-amqp's reader of frames, which no message stops."""
    unread: dict[int, bytes] = {}

    def told(channel: int, method: Any, arguments: Any, message: Any) -> Any:
        if message is not None and channel in unread:
            setattr(message, _NAME, unread.pop(channel))
        return callback(channel, method, arguments, message)

    read = method_framing.frame_handler(connection, told)

    def on_frame(frame: tuple[int, int, bytes]) -> Any:
        kind, channel, content = frame
        if kind == _HEADER_FRAME and not _is_readable(content):
            unread[channel] = bytes(content[_PROPERTIES_AT:])
            frame = kind, channel, bytes(content[:_PROPERTIES_AT]) + _NONE
        return read(frame)

    return on_frame


def unread_properties(message: Any) -> bytes | None:
    """Return the bytes of the properties of a message that has some and cannot say them."""
    found: bytes | None = getattr(message, _NAME, None)
    return found


def _is_readable(content: bytes) -> bool:
    try:
        PROPERTY_CLASSES[Basic.CLASS_ID](content, _PROPERTIES_AT)
    except Exception:  # noqa: BLE001 - whatever bytes may do to py-amqp; the message is told of
        return False
    return True
