import logging
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from celery_aws.aws import child_usage, meter
from celery_aws.aws.meter import process_meter
from celery_aws.broker.usage_report import UsageReport, usage_report, usage_section


@pytest.fixture(autouse=True)
def counted(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have a meter that knows of one send, and no children of other tests."""
    monkeypatch.setattr(child_usage, "_children", None)
    meter._meter.forget()
    process_meter().count("sqs", "SendMessage", "https://sqs/123456789012/celery")
    process_meter().add_units("sqs", "SendMessage", "https://sqs/123456789012/celery", 2)
    yield
    meter._meter.forget()


@pytest.fixture
def controller() -> SimpleNamespace:
    return SimpleNamespace(stats=lambda: {"total": {"proj.add": 3}})


def test_stats_get_a_section(controller: SimpleNamespace) -> None:
    UsageReport().worker_ready(controller)
    stats = controller.stats()
    assert stats["total"] == {"proj.add": 3}
    assert stats["aws"] == usage_section()
    assert stats["aws"]["main"]["operations"] == {
        "sqs.SendMessage": {"celery": {"requests": 1, "units": 2}}
    }


def test_a_worker_logs_one_line(
    controller: SimpleNamespace, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    report = UsageReport()
    report.worker_ready(controller)
    report.log()
    assert caplog.messages[0].startswith("AWS requests: ")
    assert "sqs.SendMessage 1 (2 units)" in caplog.messages[0]


def test_a_client_logs_nothing(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    UsageReport().log()
    assert caplog.messages == []


def test_a_forked_child_logs_nothing(
    controller: SimpleNamespace, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.DEBUG)
    report = UsageReport()
    report.worker_ready(controller)
    monkeypatch.setattr("os.getpid", lambda: -1)
    report.log()
    assert caplog.messages == []


def test_a_process_has_one_report() -> None:
    assert usage_report() is usage_report()
