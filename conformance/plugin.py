"""The pytest plugin in a conformance run: it tells what happens, sets limits, and lifts skips.

It runs in pytest's process and takes what it needs from the environment: see
:mod:`conformance.environment`. Facts: celery/contrib/pytest.py (``_create_app``);
pytest_rerunfailures.py (``pytest_runtest_protocol``: ``logstart`` for each attempt, outcome
``rerun`` for one that does not count); pytest_timeout.py.
"""

import json
import os
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from celery.contrib import pytest as celery_fixtures
from kombu.asynchronous import get_event_loop
from kombu.transport import SQS

from conformance import environment, limits, progress
from conformance.outcomes import Outcome, Result

#: Tests of what Redis's own result backend has in Redis: skipped elsewhere, as Celery means it.
_REDIS_OWN = (
    "::test_asyncresult_forget_cancels_subscription",
    "::test_asyncresult_get_cancels_subscription",
    "::test_chord_on_error",
)

#: What pytest-timeout says when it interrupts a test.
_TIMED_OUT = "from pytest-timeout"

#: Of an error's message, in records and in what is printed.
_REASON_CHARACTERS = 200


class RedisToo(str):
    """The URL of a result backend that also claims to be Redis.

    About eighty tests are skipped unless ``result_backend.startswith("redis")``, though nearly all
    need Redis only to count calls in: they have a server of their own for that.
    """

    def startswith(  # type: ignore[override]
        self, prefix: str | tuple[str, ...], *span: int
    ) -> bool:
        """Return whether it starts so, and True for ``redis``."""
        prefixes = (prefix,) if isinstance(prefix, str) else prefix
        return "redis" in prefixes or super().startswith(prefix, *span)


class Recorder:
    """Writes down what happens to each test."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._reports: list[pytest.TestReport] = []
        self._runs = 0
        self._seconds = 0.0
        self._earlier = ""
        self._session: pytest.Session | None = None

    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """Keep the session, to be able to end it."""
        self._session = session

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Write down why a file cannot be read."""
        if report.failed:
            progress.append(self._path, progress.not_collected(_why(report)))

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Set the limits, and leave out other parts and what an earlier process has finished."""
        number, _, parts = os.environ.get(environment.PART, "0/1").partition("/")
        items[:] = items[int(number) :: int(parts)]
        done = progress.read(self._path).finished
        progress.append(self._path, progress.collected(item.nodeid for item in items))
        items[:] = [item for item in items if item.nodeid not in done]
        for item in items:
            _limit(item)
            if os.environ.get(environment.LIFT_SKIPS) and item.nodeid.endswith(_REDIS_OWN):
                item.add_marker(pytest.mark.skip(reason="Requires redis result backend."))

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Write down that an attempt starts."""
        if not any(report.nodeid == nodeid for report in self._reports):
            self._runs, self._seconds, self._earlier = 0, 0.0, ""
        self._reports.clear()
        self._runs += 1
        progress.append(self._path, progress.started(nodeid, limits.of_test(nodeid)))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep the report of a phase of an attempt."""
        self._reports.append(report)
        self._seconds += report.duration

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        """Write down how the test went, unless there will be another attempt."""
        if any(str(report.outcome) == "rerun" for report in self._reports):
            # Of a test whose subtests failed, only their reports have an error.
            told = [_why(report) for report in self._reports if report.longrepr]
            self._earlier = told[0] if told else ""
            return
        outcome, reason = outcome_of(self._reports)
        result = Result(
            outcome=outcome,
            seconds=self._seconds,
            runs=self._runs,
            reason=reason or self._earlier,
        )
        progress.append(self._path, progress.finished(nodeid, result))
        if outcome is Outcome.TIMEOUT and self._session is not None:
            # The worker in this process may be stuck in what was interrupted here.
            self._session.shouldstop = "a test ran into its limit"


def outcome_of(reports: list[pytest.TestReport]) -> tuple[Outcome, str]:
    """Return how a test went, and why, from the reports of its last attempt."""
    for report in reports:
        if report.failed:
            timed_out = _TIMED_OUT in report.longreprtext
            return Outcome.TIMEOUT if timed_out else Outcome.FAILED, _why(report)
    for report in reports:
        if report.skipped:
            return Outcome.SKIPPED, getattr(report, "wasxfail", "") or _skip_reason(report)
    return Outcome.PASSED, ""


def pytest_configure(config: pytest.Config) -> None:
    """Register the recorder, and lift the skips if asked to."""
    config.addinivalue_line("markers", "env(name): kombu's name of what a test needs")
    config.pluginmanager.register(Recorder(Path(os.environ[environment.PROGRESS])))
    # Every app of the tests is made by it.
    create_app = celery_fixtures._create_app  # noqa: SLF001
    if os.environ.get(environment.LIFT_SKIPS):
        create_app = claiming_redis(create_app)
    options = os.environ.get(environment.TRANSPORT_OPTIONS)
    if options:
        create_app = with_transport_options(create_app, json.loads(options))
    celery_fixtures._create_app = create_app  # noqa: SLF001
    if os.environ.get("TEST_BROKER", "").startswith("sqs:"):
        _keep_the_worker_s_loop_from_clients()


def claiming_redis(create_app: Callable[..., Any]) -> Callable[..., Any]:
    """Return what makes an app whose result backend claims to be Redis."""

    def create(*arguments: Any, **config: Any) -> Any:
        if "result_backend" in config:
            config["result_backend"] = RedisToo(config["result_backend"])
        return create_app(*arguments, **config)

    return create


def with_transport_options(
    create_app: Callable[..., Any], options: Mapping[str, Any]
) -> Callable[..., Any]:
    """Return what makes an app with these ``broker_transport_options``."""

    def create(*arguments: Any, **config: Any) -> Any:
        return create_app(*arguments, **{"broker_transport_options": options} | config)

    return create


def _keep_the_worker_s_loop_from_clients() -> None:
    # kombu's SQS transport takes whatever event loop its process has. The tests have their worker
    # in a thread, so their clients would hand what they receive to it: this is a harm of testing
    # only. The tests themselves run in the main thread.
    def loop_of_this_thread() -> Any:
        is_client = threading.current_thread() is threading.main_thread()
        return None if is_client else get_event_loop()

    SQS.get_event_loop = loop_of_this_thread


def _limit(item: pytest.Item) -> None:
    item.add_marker(pytest.mark.timeout(limits.of_test(item.nodeid)), append=False)
    if item.get_closest_marker("flaky"):
        # Nothing is tried again after the limit: pytest-timeout interrupts only once.
        again = pytest.mark.flaky(
            reruns=limits.ATTEMPTS - 1,
            reruns_delay=limits.ATTEMPT_PAUSE_SECONDS,
            rerun_except=[_TIMED_OUT],
        )
        item.add_marker(again, append=False)


def _skip_reason(report: pytest.TestReport) -> str:
    if isinstance(report.longrepr, tuple):
        return str(report.longrepr[2]).removeprefix("Skipped: ")
    return ""


def _why(report: pytest.TestReport | pytest.CollectReport) -> str:
    crash = getattr(report.longrepr, "reprcrash", None)
    if crash is None:
        # A file that cannot be read has a text only.
        return report.longreprtext.strip().rpartition("\n")[2][:_REASON_CHARACTERS]
    message = (crash.message.splitlines() or [""])[0][:_REASON_CHARACTERS]
    return f"{message} ({Path(crash.path).name}:{crash.lineno})"
