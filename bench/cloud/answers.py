"""What an operation answers: at once, or when a long poll is over."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

#: What AWS answers in this protocol is called.
JSON = b"application/x-amz-json-1.0"


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer.

    Attributes:
        headers: lines that not every answer has, each with its end of line.
    """

    body: bytes
    status: int = 200
    headers: bytes = b""


#: Errors that have one name in this protocol and another in the older one.
_TYPES = {"AWS.SimpleQueueService.NonExistentQueue": "QueueDoesNotExist"}

#: Called once, with the answer of a request.
Reply = Callable[[Answer], None]

#: Called when whoever waits for an answer has gone away.
Cancel = Callable[[], None]


class RefusedError(Exception):
    """The request is not accepted.

    Args:
        code: of the error as SQS clients know it.
        message: what was wrong.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code

    def answer(self) -> Answer:
        """Return what AWS would answer."""
        name = _TYPES.get(self.code, self.code.rpartition(".")[2])
        body = {"__type": f"com.amazonaws.sqs#{name}", "message": str(self)}
        header = f"x-amzn-query-error: {self.code};Sender\r\n".encode()
        return Answer(json.dumps(body).encode(), 400, header)


def answered(body: Any) -> Answer:
    """Return an answer with a JSON body."""
    return Answer(json.dumps(body).encode())
