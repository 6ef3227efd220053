"""Broker and worker agree when a task is due: the real strategy of Celery's worker says so."""

import time
from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from celery.exceptions import InvalidTaskError
from celery.utils.time import timezone as celerys_timezone
from celery.worker import state
from hypothesis import given, settings
from hypothesis import strategies as st

from celery_aws.core.task_eta import task_timing
from tests.unit.core.publishing import SERIALIZERS, Publisher, received, received_eta, workers_view

ZONES = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "America/St_Johns",
    "Asia/Kolkata",
    "Australia/Lord_Howe",
    "Pacific/Apia",
]
APPS: list[dict[str, Any]] = [
    {},
    {"timezone": "Australia/Lord_Howe"},
    {"enable_utc": False},
    {"enable_utc": False, "timezone": "America/St_Johns"},
]

#: A monotonic clock begins when the host starts; earlier than that, a worker calls it "at once".
SINCE = datetime(2030, 1, 1)  # noqa: DTZ001 - Hypothesis wants it naive
UNTIL = datetime(2090, 1, 1)  # noqa: DTZ001

etas = st.datetimes(SINCE, UNTIL)
aware_etas = st.datetimes(
    SINCE, UNTIL, timezones=st.sampled_from(ZONES).map(ZoneInfo), allow_imaginary=True
)
countdowns = st.none() | st.integers(-(10**9), 10**9) | st.floats(-1e9, 1e9)


@pytest.fixture(params=[1, 2], scope="module")
def protocol(request: pytest.FixtureRequest) -> int:
    return int(request.param)


@pytest.fixture(scope="module", autouse=True)
def far_from_utc() -> Iterator[None]:
    """A process whose own time zone is none of the apps'."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", "Pacific/Apia")
        _forget_local_zone()
        yield
    _forget_local_zone()


def _forget_local_zone() -> None:
    time.tzset()
    vars(celerys_timezone).pop("local", None)


@pytest.fixture(params=APPS, ids=str, scope="module")
def publisher(protocol: int, request: pytest.FixtureRequest) -> Iterator[Publisher]:
    yield Publisher(task_protocol=protocol, **request.param)
    state.reset_state()


def assert_agreed(publisher: Publisher, message: dict[str, Any], *, json: bool = True) -> None:
    view = workers_view(publisher.app, message)
    timing = task_timing(message)

    assert timing is not None
    assert timing.task == "shop.mail"
    # Not by ==, which is false for a repeated hour whose zone is another one.
    assert timing.eta == (view.eta and view.eta.astimezone(timezone.utc))
    if json:
        assert received_eta(received(message)) == timing.eta
    if view.called_at is not None:
        assert timing.eta is not None
        assert timing.eta.timestamp() == pytest.approx(view.called_at, abs=1)


@settings(max_examples=40)
@given(eta=etas | aware_etas)
def test_they_agree_about_an_eta(publisher: Publisher, eta: datetime) -> None:
    message = publisher.task(eta=eta)

    assert_agreed(publisher, message)
    assert workers_view(publisher.app, message).called_at is not None


@settings(max_examples=40)
@given(countdown=countdowns)
def test_they_agree_about_a_countdown(publisher: Publisher, countdown: float | None) -> None:
    assert_agreed(publisher, publisher.task(countdown=countdown))


@given(eta=etas)
def test_an_eta_without_an_offset_is_utc_whatever_the_app_says(
    publisher: Publisher, eta: datetime
) -> None:
    timing = task_timing(publisher.task(eta=eta))

    assert timing is not None
    assert timing.eta == eta.replace(tzinfo=timezone.utc)


@pytest.mark.parametrize("compression", [None, "gzip"])
@pytest.mark.parametrize("serializer", SERIALIZERS)
def test_they_agree_in_every_format(
    publisher: Publisher, serializer: str, compression: str | None
) -> None:
    options = {"serializer": serializer, "compression": compression}
    json = serializer == "json" or "task" in publisher.task(**options)["headers"]

    for eta in (None, SINCE, SINCE.replace(tzinfo=ZoneInfo("Asia/Kolkata"))):
        assert_agreed(publisher, publisher.task(eta=eta, **options), json=json)


@pytest.mark.parametrize("eta", ["soon", 7, "2030-13-01", "9999-12-31T23:59:59+00:00:01"])
def test_what_the_worker_reports_is_sent_to_it_at_once(eta: object) -> None:
    publisher = Publisher()
    message = publisher.task()
    message["headers"]["eta"] = eta

    with pytest.raises(InvalidTaskError):
        workers_view(publisher.app, message)
    timing = task_timing(message)
    assert timing is not None
    assert timing.eta is None
