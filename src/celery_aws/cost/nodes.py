"""Brokers and stores that are billed by the hour: ElastiCache, Amazon MQ, RDS."""

from typing import Final

from celery_aws.core.prices import MONTH_HOURS, Quantity, Unit
from celery_aws.cost.bill import Item
from celery_aws.cost.request_rates import REDIS_COMMANDS_A_TASK, REDIS_COMMANDS_A_WORKER_HOUR
from celery_aws.cost.workload import Workload

#: GB that serverless ElastiCache bills at least ("Pricing", ElastiCache Serverless).
SERVERLESS_GB: Final = {"valkey": 0.1, "redis": 1.0}

#: GB of memory of the nodes that are known; from knowledge, not verified.
NODE_GB: Final = {
    "cache.t4g.micro": 0.5,
    "cache.t4g.small": 1.37,
    "cache.t3.micro": 0.5,
    "cache.t3.small": 1.37,
    "cache.t3.medium": 3.09,
    "cache.t4g.medium": 3.09,
    "cache.m7g.large": 6.38,
    "cache.r7g.large": 13.07,
}

#: GB of disk: of a RabbitMQ node (little, as queues are short), of the smallest RDS.
RABBITMQ_GB: Final = 5.0
RDS_GB: Final = 20.0

#: Size of RDS that is taken.
RDS_CLASS: Final = "db.t4g.micro"

#: Bytes that Redis takes for a result or message beside its content; a guess on the safe side.
_REDIS_ITEM_BYTES: Final = 300.0

_MONTH_DAYS: Final = MONTH_HOURS / 24


def elasticache_items(workload: Workload, engine: str) -> tuple[Item, ...]:
    """Return the nodes of ElastiCache: one, or two.

    Args:
        workload: says which size, and whether there are two.
        engine: ``valkey`` or ``redis``.
    """
    nodes = 2 if workload.highly_available else 1
    return (
        Item(
            what=f"{nodes} x {workload.node}",
            price_key=f"elasticache.{engine}.{workload.node}",
            quantity=Quantity(MONTH_HOURS * nodes, Unit.HOUR),
        ),
    )


def serverless_items(workload: Workload, engine: str) -> tuple[Item, ...]:
    """Return what serverless ElastiCache uses; it is in several zones in any case."""
    stored = max(SERVERLESS_GB[engine], stored_gigabytes(workload))
    # A command is billed by each KB that it moves.
    moved = 2 * (workload.message_bytes + workload.results_share * workload.result_bytes) / 1_000
    commands = workload.tasks * (REDIS_COMMANDS_A_TASK + moved)
    commands += workload.worker_hours * REDIS_COMMANDS_A_WORKER_HOUR * workload.queues
    name = f"elasticache.serverless.{engine}"
    return (
        Item(
            what="stored data",
            price_key=f"{name}.data",
            quantity=Quantity(stored * MONTH_HOURS, Unit.GIGABYTE_HOUR),
        ),
        Item(
            what="commands",
            price_key=f"{name}.ecpu",
            quantity=Quantity(commands, Unit.PROCESSING_UNIT),
        ),
    )


def rabbitmq_items(size: str, *, cluster: bool) -> tuple[Item, ...]:
    """Return a RabbitMQ broker of Amazon MQ: one node, or three.

    Args:
        size: such as ``mq.m5.large``.
        cluster: three nodes, whose price is that of all of them.
    """
    nodes, mode = (3, "cluster") if cluster else (1, "single")
    return (
        Item(
            what=f"{nodes} x {size}",
            price_key=f"mq.rabbitmq.{mode}.{size}",
            quantity=Quantity(MONTH_HOURS, Unit.HOUR),
        ),
        Item(
            what="disks",
            price_key="mq.rabbitmq.storage",
            quantity=Quantity(RABBITMQ_GB * nodes, Unit.GIGABYTE_MONTH),
        ),
    )


def rds_items(workload: Workload) -> tuple[Item, ...]:
    """Return a PostgreSQL of RDS, in one zone or two."""
    mode = "multi" if workload.highly_available else "single"
    stored = max(RDS_GB, stored_gigabytes(workload))
    return (
        Item(
            what=f"{RDS_CLASS}, {mode}",
            price_key=f"rds.postgresql.{mode}.{RDS_CLASS}",
            quantity=Quantity(MONTH_HOURS, Unit.HOUR),
        ),
        Item(
            what="disk",
            price_key=f"rds.postgresql.storage.{mode}",
            quantity=Quantity(stored, Unit.GIGABYTE_MONTH),
        ),
    )


def stored_gigabytes(workload: Workload) -> float:
    """Return how much of results there is at a time."""
    kept = workload.results * workload.result_days / _MONTH_DAYS
    return float(kept * (workload.result_bytes + _REDIS_ITEM_BYTES) / 1e9)
