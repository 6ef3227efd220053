"""What is on the old side, its broker and its result backend together."""

from collections.abc import Collection
from dataclasses import replace
from importlib import import_module
from typing import Any, cast

from celery_aws.migrate.inventory import Inventory, ResultCount
from celery_aws.migrate.opening import inventory_of
from celery_aws.names import AmqpQueue

#: Imported when it is needed: who counts messages needs no driver of a result backend.
_RESULTS = "celery_aws.migrate.results"


def old_side_inventory(
    app: Any,
    *,
    queues: Collection[AmqpQueue] | None = None,
    look: bool = True,
    results: bool = True,
    management_url: str | None = None,
) -> Inventory:
    """Return what is in an app's broker and result backend; nothing is taken.

    Args:
        app: the old one.
        queues: only these, by Celery's names; None is all that can be found.
        look: look at messages where that changes nothing, and not only at numbers.
        results: count results too, which goes through all keys.
        management_url: of RabbitMQ's HTTP API.

    Raises:
        UnsupportedError: nothing can be moved from there.

    Costs no request to AWS, unless results are there already: then a Scan of their table.
    """
    found = inventory_of(app, queues=queues, look=look, management_url=management_url)
    if not results:
        return found
    counted = cast("ResultCount | None", import_module(_RESULTS).result_inventory(app))
    return replace(found, results=counted)
