"""What is on the old side, its broker and its result backend together."""

from collections.abc import Collection
from dataclasses import replace
from typing import Any

from celery.backends.base import DisabledBackend

from celery_aws.migrate.inventory import Inventory, ResultCount
from celery_aws.migrate.opening import inventory_of
from celery_aws.migrate.results import result_inventory
from celery_aws.names import AmqpQueue
from celery_aws.results import result_backend_of

_NO_RESULT_BACKEND = (
    "the old app has no result backend: if it has one after all, name it by --results-from or "
    "--from-config"
)


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
    if isinstance(result_backend_of(app), DisabledBackend):
        return replace(
            found, results=ResultCount(results={}), notes=(*found.notes, _NO_RESULT_BACKEND)
        )
    return replace(found, results=result_inventory(app))
