"""The program of a :class:`bench.cloud.Cloud`: serves on a given socket until its parent ends."""

import argparse
import asyncio
import gc
import json
import os
import signal
import socket
import tempfile
import time
from functools import partial
from urllib.parse import parse_qs

from bench.cloud.answers import Answer, Cancel, Reply, answered
from bench.cloud.dynamodb import Dynamodb
from bench.cloud.http import Connection
from bench.cloud.sqs import Sqs
from bench.cloud.tally import Tally

#: Seconds between two looks at the parent.
PARENT_CHECK_SECONDS = 0.5

_MILLISECOND = 0.001


def main() -> None:
    """Serve."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--socket", type=int, required=True, help="number of the bound socket")
    parser.add_argument("--parent", type=int, required=True, help="pid of the parent")
    parser.add_argument("--latency", type=float, default=0.0, help="ms added to each answer")
    arguments = parser.parse_args()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with tempfile.TemporaryDirectory(prefix="bench-cloud-") as scratch:
        os.environ.setdefault("STATE_DIR", scratch)
        asyncio.run(_serve(arguments.socket, arguments.parent, arguments.latency))


async def _serve(descriptor: int, parent: int, latency_milliseconds: float) -> None:
    loop = asyncio.get_running_loop()
    listener = socket.socket(fileno=descriptor)
    host, port = listener.getsockname()
    service = Service(f"http://{host}:{port}", loop)
    service.latency_seconds = latency_milliseconds * _MILLISECOND
    ended = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, ended.set)
    # What lives here lives long: it is looked at once, and not again with each new message.
    gc.freeze()
    server = await loop.create_server(lambda: Connection(service.handle), sock=listener)
    while os.getppid() == parent and not ended.is_set():
        await asyncio.wait([asyncio.ensure_future(ended.wait())], timeout=PARENT_CHECK_SECONDS)
    server.close()


class Service:
    """Hands each request to SQS or DynamoDB, and delays the answer.

    Attributes:
        latency_seconds: added to each of AWS's answers.
    """

    def __init__(self, url: str, loop: asyncio.AbstractEventLoop) -> None:
        self.latency_seconds = 0.0
        self._loop = loop
        self._tally = Tally()
        self._sqs = Sqs(self._tally, url, loop)
        self._dynamodb = Dynamodb(self._tally)

    def handle(self, first_line: bytes, target: str, body: bytes, reply: Reply) -> Cancel | None:
        """Answer a request, now or later; return what makes a wait end early."""
        service, _, operation = target.partition(".")
        late = reply if not self.latency_seconds else partial(self._reply_late, reply)
        if service == "AmazonSQS" and self._sqs.knows(operation):
            return self._sqs.handle(operation, body, late)
        if service == "DynamoDB_20120810":
            return self._dynamodb.handle(operation, body, late)
        reply(self._controlled(first_line.decode()))
        return None

    def _reply_late(self, reply: Reply, answer: Answer) -> None:
        self._loop.call_later(self.latency_seconds, reply, answer)

    def _controlled(self, first_line: str) -> Answer:
        _, _, path = first_line.split(" ")[1].partition("/_cloud/")
        what, _, query = path.partition("?")
        if what == "usage":
            usage = {
                "rows": self._tally.rows(),
                "cpu_seconds": time.process_time(),
                "seconds": time.monotonic(),
            }
            return answered(usage)
        if what == "latency":
            self.latency_seconds = float(parse_qs(query)["ms"][0]) * _MILLISECOND
            return answered({})
        return Answer(json.dumps({"message": f"not known: {first_line}"}).encode(), 501)


if __name__ == "__main__":
    main()
