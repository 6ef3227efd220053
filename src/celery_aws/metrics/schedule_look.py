"""Counts the tasks that are parked in the coordination table.

DynamoDB reads what it counts: a million tasks of 1 KB are a thousand requests of 1 MB and two
cents. So the next count waits a minute for each shard that the last one read, or each thousand
tasks of one: that is some 60 requests an hour at most, after the first count.
"""

from collections import Counter
from typing import Final

from celery_aws.core.schedule import LANES
from celery_aws.errors import TableNotFoundError
from celery_aws.metrics import catalog
from celery_aws.metrics.reader import Look
from celery_aws.metrics.samples import Sample
from celery_aws.table.schedule import Schedule

#: Seconds to wait for each request that a count took.
REST_SECONDS: Final = 60.0

#: Tasks that one request counts: 1 MB, of tasks of 1 KB.
_TASKS_A_REQUEST: Final = 1_000


class ScheduleLook:
    """Counts parked tasks, lane by lane.

    Args:
        schedule: of the deployment.
    """

    def __init__(self, schedule: Schedule) -> None:
        self._schedule = schedule

    def __call__(self) -> Look:
        """Look once.

        Costs one Query for each of the two lanes, and one for each shard with tasks in it, or each
        MB of one. A table that does not exist has none.
        """
        counts: Counter[str] = Counter()
        requests = 0
        for lane in LANES:
            counts[lane.name] = 0
            try:
                for shard in self._schedule.shards(lane):
                    found = self._schedule.count(shard)
                    counts[lane.name] += found
                    requests += 1 + found // _TASKS_A_REQUEST
            except TableNotFoundError:
                continue
        samples = [
            Sample(catalog.SCHEDULED_TASKS, (lane,), float(number))
            for lane, number in counts.items()
        ]
        return Look(samples=tuple(samples), rest_seconds=REST_SECONDS * requests)
