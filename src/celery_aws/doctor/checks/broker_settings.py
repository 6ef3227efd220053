"""Options of the broker, and settings of Celery's workers, that bite on SQS.

Facts: docs/explanation/delivery.md, monitoring.md, etas.md and stop-workers.md say what each does.
"""

from collections.abc import Iterator

from celery_aws.core.durations import duration_text
from celery_aws.core.queue_plan import QueueRole
from celery_aws.doctor.facts import Facts
from celery_aws.doctor.finding import Finding, notice, warning

#: A hiccup of AWS that is as long loses the lease of a running task.
SHORT_TIMEOUT_SECONDS = 30

#: Who waits longer for the tasks of a killed worker looks for another reason.
LONG_TIMEOUT_SECONDS = 3_600

#: Polls that are shorter cost visibly more.
SHORT_POLL_SECONDS = 10

#: From here on quiet queues cost as much as a small worker's busy ones.
MANY = 20

#: Celery's own default, which nobody has set.
_HEARTBEAT_DEFAULT = 120

_MONTH_SECONDS = 2_592_000

SHORT = warning(
    "visibility-timeout-short",
    "When AWS does not answer for as long as the visibility timeout, running tasks are handed out "
    "again; and it is extended all the time, a request for each ten tasks.",
    "Set broker_transport_options['visibility_timeout'] to 120, the default",
)
LONG = warning(
    "visibility-timeout-long",
    "Tasks of a worker that was killed come back only after the visibility timeout. It has not to "
    "be longer than tasks run: it is extended while they do.",
    "Set broker_transport_options['visibility_timeout'] to 120, the default",
)
NO_WAIT = warning(
    "polls-do-not-wait",
    "wait_time_seconds is 0: a worker asks each queue once a second, and SQS may say that a queue "
    "is empty which is not.",
    "Set broker_transport_options['wait_time_seconds'] to 20, the default",
)
SHORT_WAIT = notice(
    "polls-short",
    "Polls are short: an idle queue costs more requests than it has to, and no task starts sooner.",
    "Set broker_transport_options['wait_time_seconds'] to 20, the default",
)
MANY_QUEUES = notice(
    "many-queues-polled",
    "A worker that consumes all queues polls each of them, and a quiet one too costs 130,000 "
    "requests ($0.05) a month and worker.",
    "Let workers consume some of the queues each (`-Q`), lower the number of priority_steps, or set"
    " idle_backoff_seconds (docs/how-to/quiet-queues.md)",
)
GOSSIP = warning(
    "gossip-on",
    "Workers listen to each other's events, which costs a request for each other worker: 2,000 "
    "USD a month for 100 idle ones. Celery uses it for logical clocks and lines of log only.",
    "Leave broker_transport_options['gossip'] out",
)
NO_TABLE = notice(
    "coordination-table-off",
    "There is no remote control, no events and no Flower, and a task that is due in more than 15 "
    "minutes goes through SQS every 15 minutes, three requests each time, where revoke does not "
    "find it.",
    "Leave broker_transport_options['coordination_table'] out, if any of that is missed",
)
NO_REMOTE_CONTROL = notice(
    "remote-control-off",
    "Workers answer no `celery inspect` and no `celery control`, are not on Flower's page, and "
    "running tasks cannot be revoked. Here it works, unlike on Celery's own sqs://.",
    "Leave worker_enable_remote_control out, if any of that is missed; it saves 130,000 requests a "
    "month and worker",
)
NO_RETRY = warning(
    "connection-retry-off",
    "A worker ends if AWS does not answer when it starts, or when it has to connect anew.",
    "Leave broker_connection_retry out",
)
NO_STARTUP_RETRY = notice(
    "connection-retry-on-startup-off",
    "A worker ends if AWS does not answer when it starts.",
    "Set broker_connection_retry_on_startup = True, unless something starts it again",
)
CANCELLED = notice(
    "running-tasks-cancelled",
    "Tasks that are acknowledged late are killed when the connection is lost. Here they need not "
    "be: they keep their messages, unless AWS is away for a whole visibility timeout.",
    "Leave worker_cancel_long_running_tasks_on_connection_loss out",
)
WITHOUT_EFFECT = notice(
    "option-without-effect",
    "The setting does nothing on SQS.",
    "Remove it",
)
PICKLE = notice(
    "pickle-accepted",
    "Workers load pickled tasks: whoever may send to their queues runs any code in them.",
    "Use JSON: leave pickle out of accept_content and result_accept_content",
)

KINDS = (SHORT, LONG, NO_WAIT, SHORT_WAIT, MANY_QUEUES, GOSSIP, NO_TABLE, NO_REMOTE_CONTROL,
         NO_RETRY, NO_STARTUP_RETRY, CANCELLED, WITHOUT_EFFECT, PICKLE)  # fmt: skip


def timeouts(facts: Facts) -> Iterator[Finding]:
    """Look at the visibility timeout."""
    options = facts.deployment.options
    if options is None:
        return
    seconds = options.visibility_timeout
    if seconds < SHORT_TIMEOUT_SECONDS:
        yield SHORT.found("visibility_timeout", f"it is {seconds} s")
    if seconds > LONG_TIMEOUT_SECONDS:
        yield LONG.found("visibility_timeout", f"it is {seconds} s ({duration_text(seconds)})")


def polls(facts: Facts) -> Iterator[Finding]:
    """Look at polls."""
    options = facts.deployment.options
    if options is None:
        return
    seconds = options.wait_time_seconds
    if seconds == 0:
        yield NO_WAIT.found("wait_time_seconds", "it is 0")
    elif seconds < SHORT_POLL_SECONDS:
        requests = _MONTH_SECONDS // seconds
        evidence = f"it is {seconds}: {requests:,} requests a month for each idle queue and worker"
        yield SHORT_WAIT.found("wait_time_seconds", evidence)
    polled = len(list(facts.deployment.with_role(QueueRole.TASKS, QueueRole.PRIORITY)))
    if polled >= MANY and not options.idle_backoff_seconds:
        yield MANY_QUEUES.found("queues", f"there are {polled}, steps of priorities included")


def remote_control(facts: Facts) -> Iterator[Finding]:
    """Look at what workers hear and tell."""
    options = facts.deployment.options
    if options is None:
        return
    if options.gossip:
        yield GOSSIP.found("gossip", "it is on")
    if options.coordination_table is False:
        yield NO_TABLE.found("coordination_table", "it is off")
    elif facts.celery.settings.get("worker_enable_remote_control") is False:
        yield NO_REMOTE_CONTROL.found("worker_enable_remote_control", "it is off")


def connections(facts: Facts) -> Iterator[Finding]:
    """Look at what a worker does when AWS does not answer."""
    settings = facts.celery.settings
    if facts.deployment.broker is None:
        return
    if settings.get("broker_connection_retry") is False:
        yield NO_RETRY.found("broker_connection_retry", "it is off")
    elif settings.get("broker_connection_retry_on_startup") is False:
        yield NO_STARTUP_RETRY.found("broker_connection_retry_on_startup", "it is off")
    if settings.get("worker_cancel_long_running_tasks_on_connection_loss"):
        name = "worker_cancel_long_running_tasks_on_connection_loss"
        yield CANCELLED.found(name, "it is on")


def without_effect(facts: Facts) -> Iterator[Finding]:
    """Look for settings that do nothing."""
    if facts.deployment.broker is None:
        return
    for name in facts.celery.options_without_effect:
        yield WITHOUT_EFFECT.found(f"broker_transport_options[{name!r}]", "it is set")
    settings = facts.celery.settings
    if settings.get("broker_heartbeat") not in (None, 0, _HEARTBEAT_DEFAULT):
        yield WITHOUT_EFFECT.found("broker_heartbeat", "SQS has no connection that could be lost")
    if settings.get("broker_use_ssl"):
        yield WITHOUT_EFFECT.found("broker_use_ssl", "TLS is used in any case, unless by is_secure")


def pickle(facts: Facts) -> Iterator[Finding]:
    """Look for pickle."""
    for name in ("accept_content", "result_accept_content"):
        accepted = facts.celery.settings.get(name) or ()
        if any(str(each).endswith(("pickle", "python-serialize")) for each in accepted):
            yield PICKLE.found(name, "pickle is among them")


CHECKS = (timeouts, polls, remote_control, connections, without_effect, pickle)
