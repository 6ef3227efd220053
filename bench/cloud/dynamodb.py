"""DynamoDB's operations: ministack's handlers, called in this process.

What AWS bills is asked of them with each request, whether the client wants to know it or not, and
read from the end of the answer; they bill a read of any size as one of up to 4 KB. Facts: ministack
1.5.33, services/dynamodb.py (``handle_request`` awaits nothing; ``_add_consumed_capacity`` comes
last).
"""

import json
import re
from zlib import crc32

from bench.cloud.answers import Answer, Cancel, Reply
from bench.cloud.new_items import NewItems
from bench.cloud.tally import Tally

_TABLE = re.compile(rb'"TableName"\s*:\s*"([^"]+)"')
_BATCH_TABLE = re.compile(rb'"RequestItems"\s*:\s*\{\s*"([^"]+)"')
_UNITS = re.compile(rb'"CapacityUnits": ([0-9.]+)')
_OF_ITEMS = frozenset(
    ("PutItem", "GetItem", "UpdateItem", "DeleteItem", "Query", "BatchGetItem", "BatchWriteItem")
)

#: The last of two members of the same name counts.
_WITH_UNITS = b',"ReturnConsumedCapacity":"TOTAL"}'

#: A condition that was not met is billed as the write would have been; the answer does not say.
_UNITS_OF_A_FAILURE = 1.0


class Dynamodb:
    """The tables of one account.

    Args:
        tally: counts what is asked.
    """

    def __init__(self, tally: Tally) -> None:
        # Late: it reads its settings from the environment when it is imported.
        from ministack.services import dynamodb  # noqa: PLC0415

        self._tally = tally
        self._new_items = NewItems()
        self._handle = dynamodb.handle_request

    def handle(self, operation: str, body: bytes, reply: Reply) -> Cancel | None:
        """Answer a request."""
        put = self._new_items.read(body) if operation == "PutItem" else None
        answer = None if put is None else self._new_items.stored(put)
        if put is not None and answer is not None:
            self._tally.add("dynamodb.PutItem", put.request["TableName"], put.units)
            reply(_answer(answer))
            return None
        status = self._asked(operation, body, reply)
        if put is not None:
            self._new_items.learn(put, status)
        return None

    def _asked(self, operation: str, body: bytes, reply: Reply) -> int:
        items = operation in _OF_ITEMS
        sent = body.rstrip()[:-1] + _WITH_UNITS if items else body
        status, answer = self._ask(operation, sent)
        units = _units(status, answer) if items else 0.0
        self._tally.add(f"dynamodb.{operation}", _table(body), units)
        reply(_answer(answer, status))
        return status

    def _ask(self, operation: str, body: bytes) -> tuple[int, bytes]:
        asked = self._handle(
            "POST", "/", {"x-amz-target": f"DynamoDB_20120810.{operation}"}, body, {}
        )
        try:
            asked.send(None)
        except StopIteration as done:
            status, _, answer = done.value
            return status, answer if isinstance(answer, bytes) else answer.encode()
        raise RuntimeError(f"{operation} waits for something")


def _answer(body: bytes, status: int = 200) -> Answer:
    return Answer(body, status, b"x-amz-crc32: %d\r\n" % crc32(body))


def _table(body: bytes) -> str:
    found = _TABLE.search(body) or _BATCH_TABLE.search(body)
    return "" if found is None else json.loads(b'"' + found[1] + b'"')


def _units(status: int, answer: bytes) -> float:
    if status != 200:
        return _UNITS_OF_A_FAILURE
    found = _UNITS.search(answer, max(0, answer.rfind(b'"ConsumedCapacity"')))
    return 0.0 if found is None else float(found[1])
