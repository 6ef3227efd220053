"""Every metric, once for all that show them.

What is called ``celery_...`` has the name, the labels and the meaning that it has in the Celery
exporter that most people run, so that its dashboards and alerts work here. It differs in one point:
``hostname`` is the whole name of a worker's node (``one@host``), where that exporter cuts off what
is in front of the ``@`` and so takes two workers of a machine for one. What is called
``celery_aws_...`` is this package's own. Facts: README.md and src/exporter.py of
github.com/danihodovic/celery-exporter, 0.12.

Labels are bounded: task names to those that the app knows and a few more
(:mod:`celery_aws.metrics.bounded_names`), resources by the meter, queues by the app.
"""

from typing import Final

from celery_aws.metrics.description import Metric, counter, gauge, histogram

_TASK = ("name", "hostname", "queue_name")

TASK_SENT: Final = counter(
    "celery_task_sent_total", "Tasks that were published (task_send_sent_event).", *_TASK
)
TASK_RECEIVED: Final = counter(
    "celery_task_received_total", "Tasks that a worker received.", *_TASK
)
TASK_STARTED: Final = counter("celery_task_started_total", "Tasks that began to run.", *_TASK)
TASK_SUCCEEDED: Final = counter("celery_task_succeeded_total", "Tasks that succeeded.", *_TASK)
TASK_FAILED: Final = counter(
    "celery_task_failed_total",
    "Tasks that failed, by the class of what they raised.",
    "name",
    "hostname",
    "exception",
    "queue_name",
)
TASK_REJECTED: Final = counter(
    "celery_task_rejected_total",
    "Tasks that were rejected: given back to their queue, or moved to its dead letters.",
    *_TASK,
)
TASK_REVOKED: Final = counter(
    "celery_task_revoked_total", "Tasks that were revoked, or had expired.", *_TASK
)
TASK_RETRIED: Final = counter(
    "celery_task_retried_total", "Tasks that failed and were sent again by retry.", *_TASK
)
TASK_RUNTIME: Final = histogram(
    "celery_task_runtime", "How long tasks ran that succeeded (seconds).", *_TASK
)
TASK_QUEUE_WAIT_TIME: Final = histogram(
    "celery_task_queue_wait_time",
    "From publishing a task, or its eta, to its start (seconds; task_send_sent_event).",
    *_TASK,
)

WORKER_UP: Final = gauge(
    "celery_worker_up", "1 while a worker's heartbeats come, 0 when they stay out.", "hostname"
)
WORKER_TASKS_ACTIVE: Final = gauge(
    "celery_worker_tasks_active", "Tasks that run on a worker now.", "hostname"
)
QUEUE_LENGTH: Final = gauge(
    "celery_queue_length",
    "Messages of a queue that a worker may receive now.",
    "queue_name",
    in_cloudwatch=False,
)
ACTIVE_CONSUMER_COUNT: Final = gauge(
    "celery_active_consumer_count",
    "Consumers of a queue: one for each worker.",
    "queue_name",
    in_cloudwatch=False,
)
ACTIVE_WORKER_COUNT: Final = gauge(
    "celery_active_worker_count", "Workers that consume a queue.", "queue_name"
)
ACTIVE_PROCESS_COUNT: Final = gauge(
    "celery_active_process_count",
    "Processes, threads or greenlets of the workers that consume a queue.",
    "queue_name",
)

MESSAGES_VISIBLE: Final = gauge(
    "celery_aws_queue_messages_visible",
    "Messages of a queue that a worker may receive now, all priorities.",
    "queue_name",
)
MESSAGES_IN_FLIGHT: Final = gauge(
    "celery_aws_queue_messages_in_flight",
    "Messages of a queue that were received and neither deleted nor given back.",
    "queue_name",
)
MESSAGES_DELAYED: Final = gauge(
    "celery_aws_queue_messages_delayed",
    "Messages of a queue whose delay (countdown up to 15 minutes) still runs.",
    "queue_name",
)
DEAD_LETTERS: Final = gauge(
    "celery_aws_queue_dead_letters", "Messages in the dead-letter queue of a queue.", "queue_name"
)
OLDEST_AGE: Final = gauge(
    "celery_aws_queue_oldest_age_seconds",
    "Age of the oldest message of a queue, as CloudWatch tells it (--oldest-age).",
    "queue_name",
    unit="seconds",
)
BACKLOG_PER_WORKER: Final = gauge(
    "celery_aws_queue_backlog_per_worker",
    "Visible messages of a queue for each worker that consumes it.",
    "queue_name",
)
TIME_TO_DRAIN: Final = gauge(
    "celery_aws_queue_time_to_drain_seconds",
    "Visible messages of a queue over the tasks of it that end a second, of the last 5 minutes.",
    "queue_name",
    unit="seconds",
)
SCHEDULED_TASKS: Final = gauge(
    "celery_aws_scheduled_tasks",
    "Tasks that are parked in the coordination table, by lane (standard or fifo queues).",
    "lane",
)
REGISTERED_WORKERS: Final = gauge(
    "celery_aws_registered_workers",
    "Workers whose mailboxes are registered in the coordination table.",
)
MONTH_COST: Final = gauge(
    "celery_aws_month_cost_dollars",
    "What the requests of this month's workers cost: so far, and projected to the month's end.",
    "kind",
    unit="dollars",
)
MONTH_BUDGET: Final = gauge(
    "celery_aws_month_budget_dollars",
    "What they may cost (monthly_budget).",
    unit="dollars",
)
READS_FAILED: Final = counter(
    "celery_aws_exporter_reads_failed_total",
    "Looks of the exporter at something that AWS did not answer, or refused.",
    "what",
)
LAST_READ: Final = gauge(
    "celery_aws_exporter_last_read_timestamp_seconds",
    "When the exporter last read something (Unix time).",
    "what",
    unit="seconds",
    in_cloudwatch=False,
)

POLLS: Final = counter("celery_aws_polls_total", "Receives that SQS answered.")
EMPTY_POLLS: Final = counter(
    "celery_aws_empty_polls_total", "Receives that SQS answered with no message."
)
LAST_POLL: Final = gauge(
    "celery_aws_last_poll_timestamp_seconds",
    "When SQS last answered a receive of a queue (Unix time; 0 for never).",
    "queue_name",
    unit="seconds",
    in_cloudwatch=False,
)
MESSAGES_HELD: Final = gauge(
    "celery_aws_messages_held", "Messages whose leases are kept: prefetched, waiting or running."
)
MESSAGES_RECEIVED: Final = counter("celery_aws_messages_received_total", "Messages received.")
MESSAGES_DELETED: Final = counter(
    "celery_aws_messages_deleted_total", "Messages deleted, after their acknowledgement."
)
MESSAGES_GIVEN_BACK: Final = counter(
    "celery_aws_messages_given_back_total", "Messages made visible to other workers."
)
MESSAGES_DISCARDED: Final = counter(
    "celery_aws_messages_discarded_total",
    "Messages dropped before their delivery, because their leases had ended.",
)
MESSAGES_KNOWN: Final = counter(
    "celery_aws_messages_known_total",
    "Messages received again while they were worked on, and not delivered again.",
)
MESSAGES_EXPIRED: Final = counter(
    "celery_aws_messages_expired_total", "Messages deleted, because they had expired in the queue."
)
MESSAGES_PUT_OFF: Final = counter(
    "celery_aws_messages_put_off_total",
    "Messages that came long before their eta, and were sent on to wait for it.",
)
MESSAGES_DUPLICATE: Final = counter(
    "celery_aws_messages_duplicate_total",
    "Messages deleted, because a migration had sent them twice.",
)
MESSAGES_MOVED: Final = counter(
    "celery_aws_scheduled_tasks_moved_total",
    "Parked tasks that this worker moved to SQS, in its turns as the mover.",
)
LEASES_EXTENDED: Final = counter("celery_aws_leases_extended_total", "Extensions of leases.")
LEASES_LOST: Final = counter(
    "celery_aws_leases_lost_total",
    "Leases that ended although the worker had the message: its task may run twice.",
)
ACKS_FAILED: Final = counter(
    "celery_aws_acks_failed_total",
    "Messages that could neither be deleted nor given back: their tasks run again.",
)
ACKS_RETRIED: Final = counter(
    "celery_aws_acks_retried_total",
    "Deletes and give-backs of a message that did not succeed at once, and were tried again.",
)
EVENTS_DROPPED: Final = counter(
    "celery_aws_events_dropped_total", "Events for monitors that could not be sent."
)
RESULTS_STORED: Final = counter(
    "celery_aws_results_stored_total",
    "Writes of task states to the results table (PutItem), tries included.",
)
REQUESTS: Final = counter(
    "celery_aws_requests_total",
    "Requests to AWS, tries included.",
    "service",
    "operation",
    "resource",
)
BILLING_UNITS: Final = counter(
    "celery_aws_billing_units_total",
    "What requests are billed: SQS requests of 64 KB, DynamoDB write or read units.",
    "service",
    "operation",
    "resource",
)

#: All of them, in the order in which they are shown.
METRICS: Final[tuple[Metric, ...]] = tuple(
    each for each in list(globals().values()) if isinstance(each, Metric)
)
