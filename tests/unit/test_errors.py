import inspect
import pickle

import pytest
from celery import Celery

from celery_aws import errors
from celery_aws.core.attributes import text
from celery_aws.errors import (
    AwsError,
    BatchPublishError,
    CeleryAwsError,
    ConditionFailedError,
    ConfigurationError,
    QueueNotFoundError,
    TableNotFoundError,
)

ALL = [cls for _, cls in inspect.getmembers(errors, inspect.isclass) if issubclass(cls, Exception)]


@pytest.mark.parametrize("cls", ALL)
def test_every_error_has_our_root_and_a_name_that_says_so(cls: type[Exception]) -> None:
    assert issubclass(cls, CeleryAwsError)
    assert cls.__name__.endswith("Error")
    assert cls.__doc__


def test_a_key_that_cannot_be_used_is_the_cause_whatever_was_asked_for() -> None:
    error = errors.EncryptionKeyError("k is disabled", service="sqs", operation="SendMessage")
    assert "Enable the KMS key" in str(error.with_remedy("Grant sqs:SendMessage"))


def test_an_aws_error_says_what_where_and_the_remedy() -> None:
    error = QueueNotFoundError(
        "it does not exist",
        service="sqs",
        operation="GetQueueUrl",
        code="QueueDoesNotExist",
        resource="hoge-celery",
        request_id="request-1",
    )
    assert str(error) == (
        "sqs GetQueueUrl for hoge-celery: it does not exist (QueueDoesNotExist). "
        f"{QueueNotFoundError.remedy}"
    )
    assert (error.reason, error.request_id) == ("it does not exist", "request-1")


def test_an_aws_error_may_be_bare() -> None:
    assert str(AwsError("no answer")) == "no answer"
    assert str(AwsError("no answer", service="sqs")) == "sqs: no answer"


def test_a_closer_remedy_replaces_the_usual_one() -> None:
    error = QueueNotFoundError("gone", remedy="Wait a minute")
    assert str(error) == "gone. Wait a minute"
    assert QueueNotFoundError("gone").remedy == QueueNotFoundError.remedy


def test_a_configuration_error_is_a_value_error_with_its_place() -> None:
    error = ConfigurationError("wrong", where="broker_transport_options", key="region")
    assert isinstance(error, ValueError)
    assert (error.where, error.key) == ("broker_transport_options", "region")


@pytest.mark.parametrize(
    "cls",
    [errors.ThrottledError, errors.UnreachableError, errors.ServiceFaultError,
     errors.ExpiredCredentialsError],
)  # fmt: skip
def test_what_may_pass_is_temporary(cls: type[Exception]) -> None:
    assert issubclass(cls, errors.TemporaryError)


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


def test_a_batch_that_failed_is_known_again_in_a_result() -> None:
    error = BatchPublishError(sent=["a"], not_sent=["b"], unknown=[], errors={})
    assert vars(pickle.loads(pickle.dumps(error))) == vars(error)
    backend = Celery(backend="cache+memory://", set_as_current=False).backend
    told = backend.exception_to_python(backend.prepare_exception(error, "json"))
    assert (type(told), str(told)) == (BatchPublishError, str(error))
