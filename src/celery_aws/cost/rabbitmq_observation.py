"""Tasks of a running RabbitMQ, from two looks at what its management plugin counts.

Nothing is consumed or declared. Queues that go with their consumers are those of remote control and
events, and are not counted. Facts: the management plugin's HTTP API (``/api/queues/VHOST``,
``message_stats.publish``, which is told some seconds late).
"""

import base64
import json
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote, urlsplit

from kombu import Connection
from kombu.utils.url import maybe_sanitize_url

from celery_aws.clock import Clock
from celery_aws.cost.observation import Observation, grown, month_factor
from celery_aws.errors import NotObservedError

#: Where the management plugin listens.
_PORT: Final = 15_672

_TIMEOUT_SECONDS: Final = 10.0
_COLUMNS: Final = "name,auto_delete,exclusive,consumers,message_stats.publish"

#: Queues as the management plugin tells of them.
Queues = Sequence[Mapping[str, Any]]


def observe_rabbitmq(
    url: str, *, seconds: float, clock: Clock, management_url: str | None = None
) -> Observation:
    """Look twice at the queues of a RabbitMQ.

    Args:
        url: as Celery takes it: its user, password and virtual host.
        seconds: between the looks.
        clock: waits.
        management_url: of the management plugin; None is port 15672 of the same host, and
            https without a port for ``amqps://``, as Amazon MQ has it.

    Raises:
        NotObservedError: it does not answer, or nothing happened.
    """
    shown = str(maybe_sanitize_url(url))
    look = _look(url, management_url)
    before, began = look(), clock.monotonic()
    clock.sleep(seconds)
    after, ended = look(), clock.monotonic()
    return rabbitmq_observation(before, after, source=shown, seconds=ended - began)


def rabbitmq_observation(
    before: Queues, after: Queues, *, source: str, seconds: float
) -> Observation:
    """Return what two looks say.

    Raises:
        NotObservedError: no task was sent, or RabbitMQ was started again in between.
    """
    earlier = {queue["name"]: _published(queue) for queue in before}
    lasting = [queue for queue in after if _lasts(queue)]
    tasks = sum(
        grown(f"{source}: messages to {queue['name']}", earlier.get(queue["name"], 0), sent)
        for queue in lasting
        for sent in [_published(queue)]
    )
    if not tasks:
        raise NotObservedError(
            f"{source}: no task was sent in {seconds:,.0f} s. Observe it for longer (--sample)"
        )
    consumed = [queue for queue in lasting if queue.get("consumers")]
    seen: dict[str, Any] = {"tasks": tasks * month_factor(seconds)}
    if consumed:
        consumers = [int(queue["consumers"]) for queue in consumed]
        seen["workers"] = float(max(consumers))
        # What is paid is each consumer's poll: both together are as many as there are.
        seen["queues"] = sum(consumers) / max(consumers)
    remarks = (
        "As many workers are taken as the busiest queue has consumers: say --workers if more.",
        "RabbitMQ does not tell of results: say --results-share yourself.",
    )
    return Observation(source=source, seconds=seconds, workload=seen, remarks=remarks)


def _lasts(queue: Mapping[str, Any]) -> bool:
    return not queue.get("auto_delete") and not queue.get("exclusive")


def _published(queue: Mapping[str, Any]) -> int:
    return int((queue.get("message_stats") or {}).get("publish", 0))


def _look(url: str, management_url: str | None) -> Callable[[], Queues]:
    info = Connection(url)
    parts = urlsplit(management_url or _management_url(info))
    if parts.scheme not in ("http", "https"):
        raise NotObservedError("the management plugin has an http:// or https:// URL")
    # Whoever asks is told in a header: a URL may be in an error.
    base = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path.rstrip('/')}"
    vhost = quote(info.virtual_host or "/", safe="")
    target = f"{base}/api/queues/{vhost}?columns={_COLUMNS}"
    user, password = parts.username or info.userid, parts.password or info.password
    pair = f"{user or 'guest'}:{password or 'guest'}"
    token = base64.b64encode(pair.encode()).decode("ascii")
    request = urllib.request.Request(  # noqa: S310  (the scheme is looked at above)
        target, headers={"Authorization": f"Basic {token}"}
    )

    def look() -> Queues:
        try:
            with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS) as answer:  # noqa: S310
                told: Queues = json.load(answer)
        except urllib.error.HTTPError as error:
            error.close()
            raise _unanswered(base, f"HTTP status {error.code}") from None
        except (OSError, ValueError) as error:
            raise _unanswered(base, type(error).__name__) from None
        return told

    return look


def _unanswered(base: str, problem: str) -> NotObservedError:
    return NotObservedError(
        f"the management plugin at {base} does not tell of queues: {problem}. Is it enabled, and "
        "is --management-url right?"
    )


def _management_url(info: Connection) -> str:
    # kombu knows amqps:// as a transport whose connections have ssl.
    if info.ssl or info.transport_cls == "amqps":
        return f"https://{info.hostname}"
    return f"http://{info.hostname}:{_PORT}"
