import pickle

import pytest

from celery_aws.core.attributes import text
from celery_aws.errors import (
    CeleryAwsError,
    ConditionFailedError,
    ConfigurationError,
    TableNotFoundError,
)


@pytest.mark.parametrize(
    "error",
    [
        ConfigurationError("bad", where="result_backend", key="table"),
        TableNotFoundError("none", service="dynamodb", operation="PutItem", resource="t"),
        ConditionFailedError("lost", item={"id": text("x")}, service="dynamodb"),
    ],
)
def test_an_error_leaves_a_process_as_it_is(error: CeleryAwsError) -> None:
    copied = pickle.loads(pickle.dumps(error))
    assert type(copied) is type(error)
    assert (str(copied), vars(copied)) == (str(error), vars(error))
