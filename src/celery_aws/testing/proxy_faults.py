"""The faults that a :class:`~celery_aws.testing.fault_proxy.FaultProxy` can be asked for.

Values that say what goes wrong, and the switches that say for which requests it does now.
Operations go by service and AWS's name, such as ``sqs.ReceiveMessage``, the names of
``celery_aws.request_counts``. Facts on error codes: "Common errors" of the API references of
SQS and DynamoDB; the SQS developer guide, "Error handling".
"""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from http import HTTPStatus
from typing import Final


@dataclass(frozen=True, kw_only=True)
class Delay:
    """Requests are forwarded later, or their answers come later; everything else is as ever."""

    seconds: float
    #: True holds back the answer of a request that has been executed.
    of_reply: bool = False


@dataclass(frozen=True, kw_only=True)
class ErrorReply:
    """Requests are answered with an error, and not forwarded."""

    #: Of HTTP, one that has a name.
    status: int
    #: AWS's error code.
    code: str
    message: str = "made by the fault proxy"
    #: Codes of services that have one of their own, by service.
    service_codes: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        HTTPStatus(self.status)

    def code_of(self, service: str) -> str:
        """Return the code that ``service`` uses."""
        return self.service_codes.get(service, self.code)


@dataclass(frozen=True)
class Cut:
    """Connections are reset.

    Without operations and without a number of requests it is the whole line: every open
    connection at once, and each new one as soon as it is made. Else it is the connections of the
    requests that it applies to, which are not forwarded.
    """


@dataclass(frozen=True)
class HalfOpen:
    """Connections stay open, take every byte, and never answer again, not even afterwards.

    Without operations and without a number of requests it is the whole line: every open
    connection at once, with the answers that are under way, and each new one. Else it is the
    connections of the requests that it applies to. Nothing is forwarded.
    """


@dataclass(frozen=True)
class LostReply:
    """Requests are forwarded and executed; then the connection is closed without an answer."""


Fault = Delay | ErrorReply | Cut | HalfOpen | LostReply

INTERNAL_ERROR: Final = ErrorReply(
    status=500, code="InternalError", service_codes={"dynamodb": "InternalServerError"}
)
SERVICE_UNAVAILABLE: Final = ErrorReply(status=503, code="ServiceUnavailable")
THROTTLED: Final = ErrorReply(
    status=400,
    code="ThrottlingException",
    service_codes={
        "sqs": "RequestThrottled",
        "dynamodb": "ProvisionedThroughputExceededException",
    },
)
EXPIRED_CREDENTIALS: Final = ErrorReply(
    status=403,
    code="ExpiredToken",
    message="The security token included in the request is expired",
    service_codes={"dynamodb": "ExpiredTokenException"},
)
ACCESS_DENIED: Final = ErrorReply(
    status=403, code="AccessDenied", service_codes={"dynamodb": "AccessDeniedException"}
)


@dataclass
class _Switch:
    fault: Fault
    #: Patterns; none are all operations.
    operations: tuple[str, ...]
    #: Requests still to meet it; None is any number.
    left: int | None

    @property
    def of_line(self) -> bool:
        """True if it is not single requests that meet it."""
        return isinstance(self.fault, Cut | HalfOpen) and not self.operations and self.left is None

    @property
    def of_reply(self) -> bool:
        """True if requests meet it on their way back."""
        return isinstance(self.fault, LostReply) or (
            isinstance(self.fault, Delay) and self.fault.of_reply
        )

    def applies(self, operation: str) -> bool:
        """Tell whether a request of ``operation`` meets it now."""
        matches = (fnmatchcase(operation, pattern) for pattern in self.operations)
        return self.left != 0 and (not self.operations or any(matches))


class FaultSwitches:
    """The faults that are switched on; thread-safe."""

    def __init__(self) -> None:
        self._switches: list[_Switch] = []
        self._lock = threading.Lock()

    def on(self, fault: Fault, operations: Sequence[str], times: int | None) -> None:
        """Switch a fault on, beside those that are."""
        with self._lock:
            self._switches.append(_Switch(fault=fault, operations=tuple(operations), left=times))

    def off(self, fault: Fault | None = None) -> None:
        """Switch one fault off, or all of them."""
        with self._lock:
            self._switches = [
                each for each in self._switches if fault is not None and each.fault != fault
            ]

    def line(self) -> Cut | HalfOpen | None:
        """Return what is wrong with the whole line."""
        with self._lock:
            for switch in self._switches:
                if switch.of_line and isinstance(switch.fault, Cut | HalfOpen):
                    return switch.fault
            return None

    def before(self, operation: str) -> list[Fault]:
        """Return what a request meets on its way, and count it: delays, then at most one end."""
        return self._met(operation, of_reply=False)

    def after(self, operation: str) -> list[Fault]:
        """Return what the answer of a request meets, and count it."""
        return self._met(operation, of_reply=True)

    def _met(self, operation: str, *, of_reply: bool) -> list[Fault]:
        met: list[Fault] = []
        with self._lock:
            for switch in self._switches:
                if switch.of_reply is of_reply and switch.applies(operation):
                    if switch.left is not None:
                        switch.left -= 1
                    met.append(switch.fault)
                    if not isinstance(switch.fault, Delay):
                        break
        return met
