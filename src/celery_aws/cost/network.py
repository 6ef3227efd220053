"""What it costs that workers reach SQS from a private network.

ElastiCache, Amazon MQ and RDS are in the network already; what crosses zones there is not counted.
DynamoDB and S3 are taken to be reached by gateway endpoints, which are free.
"""

from celery_aws.core.prices import MONTH_HOURS, Quantity, Unit
from celery_aws.cost.bill import Item
from celery_aws.cost.queue_broker import queue_requests
from celery_aws.cost.request_rates import REQUEST_BYTES
from celery_aws.cost.workload import Workload
from celery_aws.cost.workload_fields import NetworkPath

_GIGABYTE = 1e9


def network_items(
    workload: Workload, requests: tuple[Item, ...], message_bytes: float
) -> tuple[Item, ...]:
    """Return what the way to SQS uses.

    Args:
        workload: says which way.
        requests: what is asked of SQS.
        message_bytes: of a message, which goes there and comes back.
    """
    path = workload.network
    if path is NetworkPath.PUBLIC:
        return ()
    asked = queue_requests(requests) * REQUEST_BYTES
    gigabytes = (asked + 2 * message_bytes * workload.tasks) / _GIGABYTE
    by_endpoint = path is NetworkPath.ENDPOINTS
    name = "vpc.endpoint" if by_endpoint else "nat"
    what = "endpoint of SQS" if by_endpoint else "NAT gateway"
    data = Item(
        what=f"{what}, data",
        price_key=f"{name}.data",
        quantity=Quantity(gigabytes, Unit.GIGABYTE),
    )
    if path is NetworkPath.SHARED_NAT:
        return (data,)
    hours = Quantity(MONTH_HOURS * workload.zones, Unit.HOUR)
    return (Item(what=f"{what}, each zone", price_key=f"{name}.hour", quantity=hours), data)
