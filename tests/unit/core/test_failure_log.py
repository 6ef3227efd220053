import logging

import pytest

from celery_aws.core.failure_log import log_failure
from celery_aws.errors import ThrottledError

LOGGER = logging.getLogger("test")


def test_an_error_of_aws_is_a_warning_without_a_traceback(
    caplog: pytest.LogCaptureFixture,
) -> None:
    log_failure(LOGGER, "polls fail", ThrottledError("slow down"), failures=4)
    (record,) = caplog.records
    assert record.getMessage() == "polls fail (failure 4 in a row): slow down"
    assert (record.levelno, record.exc_info) == (logging.WARNING, None)


def test_a_bug_is_called_one_and_has_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    bug = ZeroDivisionError("zero")
    log_failure(LOGGER, "polls fail", bug, failures=1)
    (record,) = caplog.records
    assert record.getMessage() == "polls fail, by a bug in celery-aws (failure 1 in a row): zero"
    assert record.levelno == logging.CRITICAL
    assert record.exc_info is not None
    assert record.exc_info[1] is bug


def test_an_outage_does_not_fill_the_log(caplog: pytest.LogCaptureFixture) -> None:
    for failures in range(1, 17):
        log_failure(LOGGER, "polls fail", ThrottledError("slow down"), failures=failures)
    assert len(caplog.records) == 5


def test_another_text_may_be_shown(caplog: pytest.LogCaptureFixture) -> None:
    shown = ThrottledError("wait a minute")
    log_failure(LOGGER, "polls fail", ThrottledError("slow down"), failures=1, shown=shown)
    assert caplog.records[0].getMessage().endswith(": wait a minute")
