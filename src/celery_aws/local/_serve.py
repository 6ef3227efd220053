"""The program that a :class:`celery_aws.local.LocalAws` runs: ministack on a given socket.

Why not ministack's own command: it listens on every interface unless told otherwise, opens a
second port where ``cryptography`` is installed, writes a pid file into the folder for
temporary files, and outlives the process that started it. Here the parent hands over a socket
that is already bound to loopback, so nobody else can take the port in between, and the server
ends when the parent is gone, however it went.

It is run by its path and not with ``-m``: neither the current folder nor kombu is imported.
Facts: ministack 1.5.33, ministack/app.py (``main``, ``_handle_lifespan``), services/sqs.py
(``_act_receive_message``, ``_act_send_message``) and core/iam_actions.py;
hypercorn/asyncio/run.py (``worker_serve``).
"""

import argparse
import asyncio
import ipaddress
import json
import os
import re
import signal
import socket
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

#: Seconds between two looks at the parent. Polled, because a pipe to the parent stays open in
#: the processes that it forked, and a signal on its death comes with the death of a thread.
PARENT_CHECK_SECONDS = 0.5

#: Seconds that requests under way get at the end: long polls would use up whatever is given.
GRACE_SECONDS = 0.2


def main() -> None:
    """Serve until SIGTERM, SIGINT or the end of the parent; then write the state, if asked to."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--socket", type=int, required=True, help="number of the bound socket")
    parser.add_argument("--parent", type=int, required=True, help="pid of the parent")
    arguments = parser.parse_args()
    refuse_all_but_loopback(arguments.socket)
    # From the first moment on, or a stop during the imports would leave the folder behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with tempfile.TemporaryDirectory(prefix="celery-aws-local-") as scratch:
        # Some services write into it even when nothing is to be kept.
        os.environ.setdefault("STATE_DIR", os.path.join(scratch, "state"))
        os.environ.setdefault("S3_DATA_DIR", os.path.join(scratch, "s3"))
        asyncio.new_event_loop().run_until_complete(_serve(arguments.socket, arguments.parent))
    # The state is written by now. A long poll still holds a thread for up to 20 s, and the
    # interpreter would wait for it.
    sys.stderr.flush()
    os._exit(0)


def refuse_all_but_loopback(descriptor: int) -> None:
    """End the process if the socket can be reached from another machine."""
    # A copy, because closing the object closes the descriptor.
    with socket.socket(fileno=os.dup(descriptor)) as bound:
        host = bound.getsockname()[0]
    if not ipaddress.ip_address(host).is_loopback:
        sys.exit(f"refused: {host} is not a loopback address, and there is no protection here")


async def _serve(descriptor: int, parent: int) -> None:
    # Late: both read their settings from the environment when they are imported.
    from hypercorn.asyncio import serve  # noqa: PLC0415
    from hypercorn.config import Config  # noqa: PLC0415
    from ministack.app import app  # noqa: PLC0415

    config = Config()
    config.bind = [f"fd://{descriptor}"]
    config.graceful_timeout = GRACE_SECONDS
    config.loglevel = "WARNING"
    _drop_noise_of_the_end()
    _answer_long_polls_at_once()
    _tell_leading_keys()
    _name_batches_as_aws_does()
    _name_tables_that_are_tagged()
    signalled = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, signalled.set)
    ended = asyncio.ensure_future(signalled.wait())

    async def until_ended() -> None:
        while os.getppid() == parent and not ended.done():
            await asyncio.wait([ended], timeout=PARENT_CHECK_SECONDS)
        asyncio.get_running_loop().call_later(GRACE_SECONDS, _cut_connections)

    await serve(app, config, shutdown_trigger=until_ended)


def _cut_connections() -> None:
    # From Python 3.12 on, asyncio waits for every connection before hypercorn may go on to
    # write the state: a long poll would hold it up for 20 s.
    for task in asyncio.all_tasks():
        if getattr(task.get_coro(), "__name__", "") == "_server_callback":
            task.cancel()


def _answer_long_polls_at_once() -> None:
    # ministack looks every 100 ms whether a long poll has something to bring. On AWS it takes some
    # milliseconds, and what is sent to one queue is seldom overtaken by what is sent to another
    # later.
    from ministack.services import sqs  # noqa: PLC0415

    loop, sent = asyncio.get_running_loop(), asyncio.Event()

    async def sleep(seconds: float) -> None:
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(sent.wait(), seconds)

    def wake_all() -> None:
        sent.set()
        sent.clear()

    def on_sent() -> None:
        wake_event_sources()
        # Some of ministack's services send from threads.
        loop.call_soon_threadsafe(wake_all)

    wake_event_sources = sqs.esm_wake.set
    sqs.esm_wake = SimpleNamespace(set=on_sent)
    sqs.asyncio = SimpleNamespace(sleep=sleep, iscoroutine=asyncio.iscoroutine)


def _tell_leading_keys() -> None:
    # A policy may allow a table's items by their partition keys. ministack would take the condition
    # for met: it tells policies of attributes only.
    from ministack.core import iam_actions  # noqa: PLC0415
    from ministack.services import dynamodb  # noqa: PLC0415

    def hash_key_of(table: str) -> str | None:
        schema = (dynamodb._tables.get(table.rpartition("/")[2]) or {}).get("KeySchema", ())  # noqa: SLF001
        return next((each["AttributeName"] for each in schema if each["KeyType"] == "HASH"), None)

    def context_of(body: bytes) -> dict[str, Any]:
        context: dict[str, Any] = of_attributes(body)
        with suppress(
            ValueError, AttributeError, KeyError, TypeError
        ):  # ministack refuses it later
            found = leading_keys(json.loads(body), hash_key_of)
            if found:
                context["dynamodb:LeadingKeys"] = found
        return context

    of_attributes = iam_actions.dynamodb_service_context
    iam_actions.dynamodb_service_context = context_of


def _name_batches_as_aws_does() -> None:
    # sqs:SendMessage is the right to SendMessageBatch too, and so on ("Actions, resources, and
    # condition keys for Amazon SQS"): AWS knows no rights of the names that ministack asks for.
    from ministack.core import iam_actions  # noqa: PLC0415

    def action_of(*arguments: Any, **named: Any) -> str | None:
        action: str | None = by_operation(*arguments, **named)
        return action.removesuffix("Batch") if action and action.startswith("sqs:") else action

    by_operation = iam_actions.extract_iam_action
    iam_actions.extract_iam_action = action_of


def _name_tables_that_are_tagged() -> None:
    # ListTagsOfResource and TagResource name their table by its ARN, which ministack's policies
    # are not told.
    from ministack.core import iam_actions  # noqa: PLC0415

    def arn_of(service: str, *arguments: Any, **named: Any) -> str:
        found = str(by_service(service, *arguments, **named))
        if service == "dynamodb" and found == "*":
            body = named["body"] if "body" in named else arguments[3]
            with suppress(ValueError, AttributeError, TypeError):
                return str(json.loads(body).get("ResourceArn", found))
        return found

    by_service = iam_actions.extract_resource_arn
    iam_actions.extract_resource_arn = arn_of


def leading_keys(request: dict[str, Any], hash_key_of: Callable[[str], str | None]) -> list[str]:
    """Return the partition keys of what a request to DynamoDB is for.

    Args:
        request: as it is sent, in DynamoDB's JSON.
        hash_key_of: tells the name of a table's partition key; None if there is no such table.
    """
    by_table: dict[str, list[dict[str, Any]]] = {}
    if "TableName" in request:
        by_table[request["TableName"]] = [
            request.get("Item") or request.get("Key") or _asked(request)
        ]
    for table, wanted in request.get("RequestItems", {}).items():
        of_reads = wanted["Keys"] if isinstance(wanted, dict) else []
        writes = [] if isinstance(wanted, dict) else wanted
        by_table[table] = of_reads + [
            each["PutRequest"]["Item"] if "PutRequest" in each else each["DeleteRequest"]["Key"]
            for each in writes
        ]
    values = [
        item[name]
        for table, items in by_table.items()
        if (name := hash_key_of(table)) is not None
        for item in items
        if name in item
    ]
    return [str(text) for value in values for text in value.values()]


def _asked(request: dict[str, Any]) -> dict[str, Any]:
    """Return what a Query says that attributes shall be equal to."""
    names, values = (request.get(f"ExpressionAttribute{each}", {}) for each in ("Names", "Values"))
    equal = re.findall(r"([#\w]+)\s*=\s*(:\w+)", request.get("KeyConditionExpression", ""))
    return {names.get(name, name): values[value] for name, value in equal}


def _drop_noise_of_the_end() -> None:
    # Connections that are cut at the end show as tracebacks of asyncio: they are what was meant.
    def handler(loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
        if not isinstance(context.get("exception"), asyncio.CancelledError):
            loop.default_exception_handler(context)

    asyncio.get_running_loop().set_exception_handler(handler)


if __name__ == "__main__":
    main()
