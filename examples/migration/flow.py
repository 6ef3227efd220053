"""The shop's web process: a steady flow of orders, until SIGTERM; each goes into the ledger.

Some customers wait for their answer, as a web request does that calls ``get()``.
"""

import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from celery.result import AsyncResult

from examples.migration.app import app
from examples.migration.ledger import Ledger
from examples.migration.orders import Order, orders

#: Seconds between two orders.
PACE_SECONDS = float(os.environ.get("SHOP_PACE_SECONDS", "0.2"))

#: Kinds for whose answer the customer waits.
AWAITED = ("long", "chord", "chain")

#: Seconds that customers are patient for; far more than it takes.
PATIENCE_SECONDS = 90


def main() -> None:
    """Take orders."""
    closed = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: closed.set())
    ledger = Ledger(os.environ["SHOP_LEDGER"])
    app.finalize(auto=True)
    with ThreadPoolExecutor(16, "customer") as customers:
        print("open", flush=True)
        for order in orders(app):
            ledger.write(**order.as_line())
            if order.kind in AWAITED:
                customers.submit(wait, ledger, order)
            if closed.wait(PACE_SECONDS):
                break
        print("closed", flush=True)
    app.close()


def wait(ledger: Ledger, order: Order) -> None:
    """Wait for the last answer of an order, and write down whether it came and was right."""
    task_id, expected = list(order.answers.items())[-1]
    found: Any
    try:
        found = AsyncResult(task_id, app=app).get(timeout=PATIENCE_SECONDS)
    except Exception as error:  # noqa: BLE001 - whatever the customer gets is written down
        found = repr(error)
    ledger.write(event="answered", kind=order.kind, task_id=task_id, right=found == expected,
                 found=repr(found))  # fmt: skip


if __name__ == "__main__":
    main()
