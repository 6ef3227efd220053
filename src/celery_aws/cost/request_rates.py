"""Requests of a task, as they were measured: docs/explanation/speed.md, monitoring.md.

Of tasks that come together ten share a request; of those that come alone each has its own. What
comes from a simulated month of 30 days is here by the hour.
"""

from dataclasses import dataclass
from typing import Final

from celery_aws.limits import SQS_BATCH_ENTRIES, SQS_WAIT_TIME_SECONDS_MAX


@dataclass(frozen=True, kw_only=True)
class RequestRates:
    """What a transport asks of SQS for one task.

    Attributes:
        batched_sends: of a task that a group or batch sends; alone it is 1.
        busy_receives: of a task that waits with others; alone it is 1.
        busy_deletes: the same for its acknowledgement.
        poll_seconds: from one poll of a quiet queue to the next.
        source: where the figures are from.
    """

    batched_sends: float
    busy_receives: float
    busy_deletes: float
    poll_seconds: float
    source: str


#: "Requests of a task that is sent one by one", prefork with two processes at 0 ms.
OURS: Final = RequestRates(
    batched_sends=1 / SQS_BATCH_ENTRIES,
    busy_receives=0.16,
    busy_deletes=0.10,
    poll_seconds=SQS_WAIT_TIME_SECONDS_MAX,
    source="docs/explanation/speed.md",
)

#: The same of kombu's transport, which knows no batches; it polls for 10 s and rests for 1.
STOCK: Final = RequestRates(
    batched_sends=1.0,
    busy_receives=0.12,
    busy_deletes=1.0,
    poll_seconds=11.0,
    source="docs/explanation/speed.md; kombu's default wait_time_seconds and polling_interval",
)

#: Redis commands of a task with a result, and of an idle worker in an hour.
REDIS_COMMANDS_A_TASK: Final = 17.0
REDIS_COMMANDS_A_WORKER_HOUR: Final = 6_097.0

#: From apply_async() to the result, p50, with 8 ms a round trip: "submit to result".
OURS_RESULT_MS: Final = 42.5

#: Round trips to SQS before a task can start, each some 8 ms from within a region: the send, the
#: answer to the poll. Less than both no tuning reaches.
LEAST_START_MS: Final = 25.0


@dataclass(frozen=True, kw_only=True)
class HourlyUnits:
    """DynamoDB units of one worker in an hour without tasks."""

    writes: float
    reads: float


#: Simulated with two workers, two hours: `bench.fleet`, and the units of its bills. One worker of
#: all holds the movers' lease and removes what was left behind.
LEADER: Final = HourlyUnits(writes=72.0, reads=68.0)
OTHER_WORKER: Final = HourlyUnits(writes=12.0, reads=82.0)
WITHOUT_CONTROL: Final = HourlyUnits(writes=60.0, reads=291.0)

#: What a watched worker reads in addition.
WATCHED_READS_AN_HOUR: Final = 56.0

#: Bundles of events that an idle worker sends to a monitor in an hour; at most one a second.
IDLE_BUNDLES_AN_HOUR: Final = 226.0
MOST_BUNDLES_AN_HOUR: Final = 3_600.0

#: A monitor's receives and deletes of bundles: two each when they come alone, a fifth of one when
#: ten come together; in between as measured with ten and a hundred workers.
MONITOR_REQUESTS_ALONE: Final = 2.0
MONITOR_REQUESTS_TOGETHER: Final = 0.2
MONITOR_REQUESTS_A_SECOND: Final = 0.7

#: The exporter, an hour: of each queue and its dead-letter queue; of the registry and schedule;
#: questions to workers, and what each answers.
EXPORTER_QUEUE_REQUESTS: Final = 120.0
EXPORTER_READS: Final = 84.0
EXPORTER_QUESTIONS: Final = 12.0
QUESTION_REQUESTS: Final = 10.0
ANSWER_REQUESTS: Final = 8.0

#: Bytes of a request and its answer on the wire beside the message.
REQUEST_BYTES: Final = 2_000.0
