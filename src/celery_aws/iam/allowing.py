"""How statements are made of a list of actions on some resources."""

from collections.abc import Iterator
from types import MappingProxyType

from celery_aws.iam.document import Conditions, Statement

#: No conditions.
ANY_REQUEST: Conditions = MappingProxyType({})


def in_region(region: str) -> Conditions:
    """Return the condition that a request is for a region, where an action knows no resource."""
    return {"StringEquals": {"aws:RequestedRegion": (region,)}}


def allowing(
    sid: str,
    service: str,
    actions: str,
    resources: tuple[str, ...],
    conditions: Conditions = ANY_REQUEST,
) -> Iterator[Statement]:
    """Yield a statement that allows actions; nothing if there is nothing to allow them on.

    Args:
        sid: its name.
        service: of the actions, such as ``sqs``.
        actions: their names, with spaces between them.
        resources: ARNs.
        conditions: that have to be met.
    """
    if resources and actions:
        yield Statement(
            sid=sid,
            actions=tuple(f"{service}:{each}" for each in sorted(actions.split())),
            resources=resources,
            conditions=conditions,
        )
