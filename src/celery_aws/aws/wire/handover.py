"""What passes between a thread's own requests and botocore, at botocore's ``before-send`` event.

In one direction a request that botocore has made, from which a template is learned. In the other
an answer, or failure, that a direct request had: the same call then goes through botocore, which is
given that as what came of its first attempt, and does with it what it does: errors and their
fields, whether to try again, its back-off, its retry quota. So nothing is sent twice for it, and no
rule of botocore's is written down again. Facts: botocore/endpoint.py ``_do_get_response``.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeAlias

from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.exceptions import HTTPClientError

#: What came of a direct request: an answer, or the exception that there was none.
Outcome: TypeAlias = "AWSResponse | HTTPClientError"


class FirstAttempt:
    """The first request that botocore makes for one call, and how many follow.

    Attributes:
        event_name: such as ``before-send.sqs.SendMessage``: for the same call a request for
            credentials may go out before.
        outcome: what botocore shall take for what came of it; None sends it.
        request: as botocore made it, once it has.
        requests: how many it has made for the call.
    """

    def __init__(self, event_name: str, outcome: "Outcome | None") -> None:
        self.event_name = event_name
        self.outcome = outcome
        self.request: AWSPreparedRequest | None = None
        self.requests = 0


# Each thread and each greenlet has its own, whether or not gevent has patched threads.
_expected: ContextVar[FirstAttempt | None] = ContextVar("celery_aws_first_attempt", default=None)


@contextmanager
def first_attempt(event_name: str, outcome: "Outcome | None" = None) -> Iterator[FirstAttempt]:
    """Look at the first request of a call that this thread now makes, or give it its outcome."""
    expected = FirstAttempt(event_name, outcome)
    token = _expected.set(expected)
    try:
        yield expected
    finally:
        _expected.reset(token)


def went_out(service: str, operation: str) -> bool:
    """Tell whether the request that botocore now makes for a call has gone out, as a direct one."""
    expected = _expected.get()
    return (
        expected is not None
        and expected.outcome is not None
        and expected.requests == 0
        and expected.event_name == f"before-send.{service}.{operation}"
    )


def on_before_send(event_name: str, request: AWSPreparedRequest, **_: Any) -> AWSResponse | None:
    """Look at a request or answer it; botocore's handler for ``before-send``."""
    expected = _expected.get()
    if expected is None or expected.event_name != event_name:
        return None
    expected.requests += 1
    if expected.requests > 1:
        return None
    expected.request = request
    if isinstance(expected.outcome, Exception):
        raise expected.outcome
    return expected.outcome
