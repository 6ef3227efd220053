"""The app ``recorded`` with a broker that breaks once, when a file tells it to.

It breaks the receiver of a queue of tasks; that of an inbox goes on after a bug.
"""

import os
from pathlib import Path
from typing import Any

from recorded import app  # type: ignore[import-not-found]  # the worker runs in this folder

from celery_aws.aws.sqs import SqsQueueService

__all__ = ["app"]

_receive = SqsQueueService.receive


def receive(self: SqsQueueService, *args: Any, **options: Any) -> Any:
    """Meet a bug: what no error of AWS's can do to a receiver."""
    order = Path(os.environ["PROJ_BREAK"])
    if "celery-inbox" not in str(args[0]) and order.exists():
        order.unlink()
        raise ZeroDivisionError("a bug")
    return _receive(self, *args, **options)


SqsQueueService.receive = receive  # type: ignore[method-assign]
