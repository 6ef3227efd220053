"""How many messages a queue has, by what keeps them from being received.

The counts are approximate: SQS gathers them from its servers, and they agree a minute or more after
the last send. Facts: GetQueueAttributes in the SQS API reference.
"""

from collections.abc import Mapping
from dataclasses import dataclass

_VISIBLE = "ApproximateNumberOfMessages"
_IN_FLIGHT = "ApproximateNumberOfMessagesNotVisible"
_DELAYED = "ApproximateNumberOfMessagesDelayed"

#: What :func:`queue_depth` reads, to be asked for in one request.
DEPTH_ATTRIBUTES = (_VISIBLE, _IN_FLIGHT, _DELAYED)


@dataclass(frozen=True, kw_only=True)
class QueueDepth:
    """The messages of a queue, or of several together.

    Attributes:
        visible: those that the next receive may bring.
        in_flight: those that were received and not yet deleted or given back.
        delayed: those whose delay still runs.
    """

    visible: int = 0
    in_flight: int = 0
    delayed: int = 0

    @property
    def messages(self) -> int:
        """All of them."""
        return self.visible + self.in_flight + self.delayed

    def __add__(self, other: "QueueDepth") -> "QueueDepth":
        return QueueDepth(
            visible=self.visible + other.visible,
            in_flight=self.in_flight + other.in_flight,
            delayed=self.delayed + other.delayed,
        )


def queue_depth(attributes: Mapping[str, str]) -> QueueDepth:
    """Return what the answer to GetQueueAttributes says.

    Args:
        attributes: by name; SQS gives all of :data:`DEPTH_ATTRIBUTES`, and one that is missing (of
            an endpoint that is not AWS) counts as none.
    """
    return QueueDepth(
        visible=int(attributes.get(_VISIBLE, 0)),
        in_flight=int(attributes.get(_IN_FLIGHT, 0)),
        delayed=int(attributes.get(_DELAYED, 0)),
    )
