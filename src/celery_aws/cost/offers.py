"""Every broker and every store of results that is compared, with what speaks against it.

An objection is a reason why an offer is not sensible for a workload, however cheap it is.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from celery_aws.cost.bill import Item
from celery_aws.cost.network import network_items
from celery_aws.cost.nodes import (
    NODE_GB,
    elasticache_items,
    rabbitmq_items,
    rds_items,
    serverless_items,
    stored_gigabytes,
)
from celery_aws.cost.queue_broker import QueueKind, queue_items, stock_items
from celery_aws.cost.request_rates import LEAST_START_MS, OURS, STOCK, RequestRates
from celery_aws.cost.result_stores import (
    RESULT_ITEM_BYTES,
    provisioned_items,
    s3_items,
    stock_table_items,
    table_items,
)
from celery_aws.cost.workload import Workload
from celery_aws.limits import DYNAMODB_ITEM_BYTES, SQS_MESSAGE_BYTES

#: Priorities that Celery can tell apart on SQS and Redis.
MOST_PRIORITIES: Final = 10

_NODE_PRIORITIES: Final = "has at most 10 priorities"
_LOSES: Final = "may lose tasks with a node: ElastiCache copies them to the other one afterwards"
_CLUSTER_MODE: Final = "speaks Redis Cluster only, and kombu and Celery have no transport for it"


@dataclass(frozen=True, kw_only=True)
class Offer:
    """A broker or a store of results, and what it uses in a month.

    Attributes:
        name: for programs.
        title: for people.
        items: what is billed.
        objections: why it is not sensible; empty if it is.
        shares_node: name of the broker on whose nodes this is for nothing; empty if none.
        is_queue: a broker on SQS.
        throttles: refuses what is above the capacity that it is billed for.
    """

    name: str
    title: str
    items: tuple[Item, ...]
    objections: tuple[str, ...] = ()
    shares_node: str = ""
    is_queue: bool = False
    throttles: bool = False

    @property
    def sensible(self) -> bool:
        """True if nothing speaks against it."""
        return not self.objections


#: The offers that this package is about, and those of Celery without it.
OUR_BROKER: Final = "sqs-standard"
OUR_RESULTS: Final = "dynamodb"
STOCK_BROKER: Final = "stock-sqs-standard"
STOCK_RESULTS: Final = "stock-dynamodb"


@dataclass(frozen=True, kw_only=True)
class Rates:
    """What is asked of SQS for a task, by this package and by kombu's transport."""

    ours: RequestRates = OURS
    stock: RequestRates = STOCK


def brokers(workload: Workload, rates: Rates | None = None) -> tuple[Offer, ...]:
    """Return every broker.

    Args:
        workload: what it has to do.
        rates: requests of a task; None is as measured.
    """
    rates = rates or Rates()
    return (
        *(_queue(workload, kind, rates.ours) for kind in QueueKind),
        *(_stock_queue(workload, kind, rates.stock) for kind in QueueKind),
        *(_elasticache(workload, engine) for engine in _ENGINES),
        *(_serverless(workload, engine) for engine in _ENGINES),
        *_rabbitmqs(workload),
    )


def stores(workload: Workload) -> tuple[Offer, ...]:
    """Return every store of results."""
    return (
        Offer(name=OUR_RESULTS, title="DynamoDB, on demand", items=table_items(workload)),
        Offer(
            name="dynamodb-provisioned",
            title="DynamoDB, provisioned for the peak",
            items=provisioned_items(workload),
            throttles=True,
        ),
        Offer(
            name=STOCK_RESULTS,
            title="DynamoDB, on demand, Celery's own backend",
            items=stock_table_items(workload),
            objections=tuple(_stock_table_objections(workload)),
        ),
        Offer(name="s3", title="S3, Celery's own backend", items=s3_items(workload)),
        Offer(name="rds-postgresql", title="RDS PostgreSQL", items=rds_items(workload)),
        *(_same_node(workload, engine) for engine in _ENGINES),
        *(_store_node(workload, engine) for engine in _ENGINES),
        Offer(
            name="memory",
            title="memory",
            items=(),
            objections=tuple(_memory_objections(workload)),
        ),
    )


_ENGINES: Final = ("valkey", "redis")
_TITLES: Final = {"valkey": "Valkey", "redis": "Redis OSS"}


def _queue(workload: Workload, kind: QueueKind, rates: RequestRates) -> Offer:
    items = queue_items(workload, kind, rates)
    return Offer(
        name=f"sqs-{kind.value}",
        title=f"SQS {_KINDS[kind]}, celery-aws",
        items=(*items, *network_items(workload, items, workload.queue_bytes)),
        objections=tuple(_queue_objections(workload)),
        is_queue=True,
    )


def _stock_queue(workload: Workload, kind: QueueKind, rates: RequestRates) -> Offer:
    items = stock_items(workload, kind, rates)
    return Offer(
        name=f"stock-sqs-{kind.value}",
        title=f"SQS {_KINDS[kind]}, kombu's own transport",
        items=(*items, *network_items(workload, items, workload.stock_message_bytes)),
        objections=(*_queue_objections(workload), *_stock_objections(workload)),
        is_queue=True,
    )


_KINDS: Final = {
    QueueKind.STANDARD: "standard",
    QueueKind.FIFO: "FIFO",
    QueueKind.FAIR: "fair",
}


def _queue_objections(workload: Workload) -> Iterator[str]:
    if workload.start_ms is not None and workload.start_ms < LEAST_START_MS:
        yield (
            f"a task starts after some {LEAST_START_MS:g} ms at the earliest, which are two round "
            f"trips to SQS; wanted are {workload.start_ms:g}"
        )
    if workload.priorities > MOST_PRIORITIES:
        yield _NODE_PRIORITIES


def _stock_objections(workload: Workload) -> Iterator[str]:
    if workload.control:
        yield "has neither remote control nor events"
    if workload.priorities > 1:
        yield "has no priorities"
    if workload.broadcasts:
        yield "has no broadcasts"
    if workload.stock_message_bytes > SQS_MESSAGE_BYTES:
        yield "cannot send messages so large"


def _stock_table_objections(workload: Workload) -> Iterator[str]:
    if workload.results and workload.result_bytes + RESULT_ITEM_BYTES > DYNAMODB_ITEM_BYTES:
        yield "cannot store results so large"


def _node_objections(workload: Workload) -> Iterator[str]:
    if workload.durable:
        yield _LOSES
    if workload.priorities > MOST_PRIORITIES:
        yield _NODE_PRIORITIES


def _memory_of_node(workload: Workload) -> Iterator[str]:
    size, wanted = NODE_GB.get(workload.node), stored_gigabytes(workload)
    # A quarter is AWS's default for what is not data (reserved-memory-percent).
    if size is not None and wanted > 0.75 * size:
        yield f"{wanted:.1f} GB of results do not fit into a {workload.node}"


def _elasticache(workload: Workload, engine: str) -> Offer:
    nodes = "two nodes" if workload.highly_available else "one node"
    return Offer(
        name=f"elasticache-{engine}",
        title=f"ElastiCache {_TITLES[engine]}, {nodes}",
        items=elasticache_items(workload, engine),
        objections=tuple(_node_objections(workload)),
    )


def _serverless(workload: Workload, engine: str) -> Offer:
    return Offer(
        name=f"elasticache-{engine}-serverless",
        title=f"ElastiCache {_TITLES[engine]}, serverless",
        items=serverless_items(workload, engine),
        objections=(_CLUSTER_MODE, *_node_objections(workload)),
    )


def _rabbitmqs(workload: Workload) -> Iterator[Offer]:
    alone = ("is one machine",) if workload.highly_available or workload.durable else ()
    yield Offer(
        name="rabbitmq-small",
        title="Amazon MQ RabbitMQ, mq.m7g.medium",
        items=rabbitmq_items("mq.m7g.medium", cluster=False),
        objections=alone,
    )
    yield Offer(
        name="rabbitmq-single",
        title="Amazon MQ RabbitMQ, mq.m5.large",
        items=rabbitmq_items("mq.m5.large", cluster=False),
        objections=alone,
    )
    yield Offer(
        name="rabbitmq-cluster",
        title="Amazon MQ RabbitMQ, three nodes of mq.m5.large",
        items=rabbitmq_items("mq.m5.large", cluster=True),
    )


def _same_node(workload: Workload, engine: str) -> Offer:
    return Offer(
        name=f"elasticache-{engine}-same",
        title=f"ElastiCache {_TITLES[engine]}, the broker's nodes",
        items=(),
        objections=tuple(_memory_of_node(workload)),
        shares_node=f"elasticache-{engine}",
    )


def _store_node(workload: Workload, engine: str) -> Offer:
    return Offer(
        name=f"elasticache-{engine}",
        title=f"ElastiCache {_TITLES[engine]}, nodes of its own",
        items=elasticache_items(workload, engine),
        objections=tuple(_memory_of_node(workload)),
    )


def _memory_objections(workload: Workload) -> Iterator[str]:
    if workload.results:
        yield "is seen by no other process, and gone with its own"
