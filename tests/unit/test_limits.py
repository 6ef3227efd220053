import re
from pathlib import Path

import pytest
from botocore.session import get_session

from celery_aws import limits

SOURCE = Path(limits.__file__)


def names() -> list[str]:
    return [name for name in vars(limits) if name.isupper()]


@pytest.mark.parametrize("name", names())
def test_a_limit_is_a_number_with_its_unit_and_its_page(name: str) -> None:
    assert isinstance(getattr(limits, name), int)
    assert re.search(
        r"_(ATTRIBUTES|BYTES|SECONDS|ENTRIES|KEYS|CHARACTERS|COUNT)(_MIN|_MAX|_DEFAULT)?$", name
    )
    text = SOURCE.read_text()
    block = text[: text.index(f"\n{name} = ")].rpartition("\n\n")[2]
    assert block.startswith("#: "), f"{name} says nothing about itself"


def test_limits_fit_each_other() -> None:
    assert limits.STS_DURATION_SECONDS_MIN < limits.STS_DURATION_SECONDS_MAX
    assert limits.SQS_DELAY_SECONDS_MAX < limits.SQS_VISIBILITY_TIMEOUT_SECONDS_MAX
    assert limits.SQS_MESSAGE_BYTES > limits.DYNAMODB_ITEM_BYTES


def test_botocores_models_say_the_same() -> None:
    session = get_session()
    duration = session.get_service_model("sts").shape_for("roleDurationSecondsType").metadata
    assert (duration["min"], duration["max"]) == (
        limits.STS_DURATION_SECONDS_MIN,
        limits.STS_DURATION_SECONDS_MAX,
    )
    keys = session.get_service_model("dynamodb").shape_for("BatchGetRequestMap").metadata
    assert keys["max"] == limits.DYNAMODB_BATCH_GET_KEYS
    writes = session.get_service_model("dynamodb").shape_for("WriteRequests").metadata
    assert writes["max"] == limits.DYNAMODB_BATCH_WRITE_ENTRIES
