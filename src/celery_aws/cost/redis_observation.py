"""Tasks and results of a running Redis, from two looks at its counters.

Only `INFO commandstats` is asked, which costs Redis nothing: never KEYS, SCAN or MONITOR. It counts
the commands of everybody on the server: a Redis that something else uses too tells too much. Facts:
kombu/transport/redis.py (a task is one LPUSH), celery/backends/redis.py (a result is one SETEX, or
SET if it never expires).
"""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Final

from kombu import Connection
from kombu.utils.url import maybe_sanitize_url

from celery_aws.clock import Clock
from celery_aws.cost.observation import Observation, grown, month_factor
from celery_aws.errors import NotObservedError

#: Calls of commands, by their names in lower case.
Calls = Mapping[str, int]

_RESULTS: Final = ("setex", "set")


def observe_redis(url: str, *, seconds: float, clock: Clock) -> Observation:
    """Look twice at a Redis.

    Args:
        url: as Celery takes it, Sentinel and TLS included.
        seconds: between the looks.
        clock: waits.

    Raises:
        NotObservedError: it does not answer, or nothing happened.
    """
    shown = str(maybe_sanitize_url(url))
    with Connection(url) as connection:
        look = _look(connection, shown)
        before, began = look(), clock.monotonic()
        clock.sleep(seconds)
        after, ended = look(), clock.monotonic()
    return redis_observation(before, after, source=shown, seconds=ended - began)


def redis_observation(before: Calls, after: Calls, *, source: str, seconds: float) -> Observation:
    """Return what two looks say.

    Raises:
        NotObservedError: no task was sent, or Redis was started again in between.
    """

    def calls(name: str) -> float:
        return grown(f"{source}: calls of {name}", before.get(name, 0), after.get(name, 0))

    tasks = calls("lpush")
    if not tasks:
        raise NotObservedError(
            f"{source}: no task was sent in {seconds:,.0f} s. Observe it for longer (--sample)"
        )
    results = sum(map(calls, _RESULTS))
    seen: dict[str, Any] = {"tasks": tasks * month_factor(seconds)}
    remarks = ["LPUSH of everybody on this Redis counts as a task, replies to control as well."]
    if results:
        seen["results_share"] = min(1.0, results / tasks)
    else:
        remarks.append("No results are stored in this Redis: say --results-share yourself.")
    return Observation(source=source, seconds=seconds, workload=seen, remarks=tuple(remarks))


def _look(connection: Connection, shown: str) -> Callable[[], Calls]:
    try:
        failures = (*connection.connection_errors, *connection.channel_errors, OSError)
    except ImportError as error:
        raise NotObservedError(f"{shown} needs the package redis: {error}") from error

    @cache
    def channel() -> Any:
        return connection.channel()

    def look() -> Calls:
        try:
            told = channel().client.info("commandstats")
        except failures as error:
            # Without its text, and not chained: the URL may be in it.
            raise NotObservedError(
                f"{shown} does not tell its counters: {type(error).__name__}"
            ) from None
        return {
            name.removeprefix("cmdstat_").lower(): int(counted["calls"])
            for name, counted in told.items()
        }

    return look
