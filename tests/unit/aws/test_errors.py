import socket
from typing import Any

import pytest
from botocore import exceptions as botocore_errors
from botocore.session import get_session

from celery_aws import errors
from celery_aws.aws.access import Access
from celery_aws.aws.clients import client_for
from celery_aws.aws.errors import error_class, translate, translated
from celery_aws.aws.sqs import SqsQueueService
from celery_aws.config.credentials import Credentials
from celery_aws.names import QueueName
from tests.unit.aws.canned import Answer, CannedAws, refusal

NAME = QueueName("hoge-celery")

#: What the models of botocore list for the operations that we use, and what it is to us.
OF_SQS = {
    "InvalidSecurity": errors.CredentialsError,
    "KmsAccessDenied": errors.EncryptionKeyError,
    "KmsDisabled": errors.EncryptionKeyError,
    "KmsInvalidKeyUsage": errors.EncryptionKeyError,
    "KmsInvalidState": errors.EncryptionKeyError,
    "KmsNotFound": errors.EncryptionKeyError,
    "KmsOptInRequired": errors.EncryptionKeyError,
    "KmsThrottled": errors.ThrottledError,
    "MessageNotInflight": errors.StaleReceiptError,
    "OverLimit": errors.ThrottledError,
    "PurgeQueueInProgress": errors.ThrottledError,
    "QueueDeletedRecently": errors.ThrottledError,
    "QueueDoesNotExist": errors.QueueNotFoundError,
    "QueueNameExists": errors.AlreadyExistsError,
    "ReceiptHandleIsInvalid": errors.StaleReceiptError,
    "RequestThrottled": errors.ThrottledError,
    "ResourceNotFoundException": errors.NotFoundError,
}
OF_DYNAMODB = {
    "ConditionalCheckFailedException": errors.ConditionFailedError,
    "ContinuousBackupsUnavailableException": errors.ServiceFaultError,
    "InternalServerError": errors.ServiceFaultError,
    "LimitExceededException": errors.ThrottledError,
    "ProvisionedThroughputExceededException": errors.ThrottledError,
    "ReplicatedWriteConflictException": errors.ServiceFaultError,
    "RequestLimitExceeded": errors.ThrottledError,
    "ResourceInUseException": errors.AlreadyExistsError,
    "ResourceNotFoundException": errors.TableNotFoundError,
    "TableNotFoundException": errors.TableNotFoundError,
    "ThrottlingException": errors.ThrottledError,
    "TransactionConflictException": errors.ServiceFaultError,
}
OF_S3 = {"NoSuchKey": errors.ObjectNotFoundError}
OPERATIONS = {
    "sqs": (
        "GetQueueUrl", "CreateQueue", "DeleteQueue", "PurgeQueue", "GetQueueAttributes",
        "SendMessage", "SendMessageBatch", "ReceiveMessage", "DeleteMessageBatch",
        "ChangeMessageVisibilityBatch",
    ),
    "dynamodb": (
        "PutItem", "GetItem", "UpdateItem", "DeleteItem", "BatchGetItem", "BatchWriteItem",
        "Query", "CreateTable", "DescribeTable", "UpdateTimeToLive",
        "UpdateContinuousBackups",
    ),
    "s3": ("PutObject", "GetObject", "DeleteObjects"),
}  # fmt: skip


@pytest.mark.parametrize(
    ("service", "known"), [("sqs", OF_SQS), ("dynamodb", OF_DYNAMODB), ("s3", OF_S3)]
)
def test_every_code_of_our_operations_has_a_class(
    service: str, known: dict[str, type[errors.AwsError]]
) -> None:
    model = get_session().get_service_model(service)
    codes = {
        shape.name
        for operation in OPERATIONS[service]
        for shape in model.operation_model(operation).error_shapes
    }
    found = {code: error_class(code, service=service) for code in codes}
    ours = {code: cls for code, cls in found.items() if cls is not errors.InvalidRequestError}
    assert ours == {code: known[code] for code in ours}
    assert codes & known.keys() == ours.keys()


@pytest.mark.parametrize(
    ("code", "query_code", "expected"),
    [
        ("QueueDoesNotExist", "", errors.QueueNotFoundError),
        ("QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue", errors.QueueNotFoundError),
        ("PurgeQueueInProgress", "", errors.ThrottledError),
        (
            "PurgeQueueInProgress",
            "AWS.SimpleQueueService.PurgeQueueInProgress",
            errors.ThrottledError,
        ),
        ("MessageNotInflight", "", errors.StaleReceiptError),
        (
            "MessageNotInflight",
            "AWS.SimpleQueueService.MessageNotInflight",
            errors.StaleReceiptError,
        ),
        ("KmsThrottled", "KMS.ThrottlingException", errors.ThrottledError),
        ("KmsAccessDenied", "KMS.AccessDeniedException", errors.EncryptionKeyError),
        ("QueueNameExists", "QueueAlreadyExists", errors.AlreadyExistsError),
        ("ThrottlingException", "", errors.ThrottledError),
        ("AccessDeniedException", "", errors.AccessDeniedError),
        ("ExpiredTokenException", "", errors.ExpiredCredentialsError),
        ("InvalidClientTokenId", "", errors.CredentialsError),
        ("SignatureDoesNotMatch", "", errors.CredentialsError),
        ("UnrecognizedClientException", "", errors.CredentialsError),
        ("InvalidAttributeValue", "", errors.InvalidRequestError),
    ],
)
def test_a_refusal_over_the_wire_becomes_our_error(
    canned_aws: CannedAws,
    access: Access,
    code: str,
    query_code: str,
    expected: type[errors.AwsError],
) -> None:
    canned_aws.answer("GetQueueUrl", refusal(code, "No luck.", query_code=query_code))
    with pytest.raises(errors.AwsError) as caught:
        SqsQueueService(access).queue_url(NAME)
    error = caught.value
    assert type(error) is expected
    assert (error.service, error.operation, error.resource) == ("sqs", "GetQueueUrl", NAME)
    assert (error.code, error.reason) == (query_code or code, "No luck")
    assert error.request_id == "request-1"
    assert str(error).startswith(f"sqs GetQueueUrl for hoge-celery: No luck ({query_code or code})")
    assert str(error).endswith(expected.remedy)


@pytest.mark.parametrize(
    ("code", "text", "expected"),
    [
        (
            "ValidationException",
            "The provided key element does not match the schema",
            errors.TableKeyError,
        ),
        (
            "ValidationException",
            "One or more parameter values were invalid: Missing the key pk in the item",
            errors.TableKeyError,
        ),
        (
            "ValidationException",
            "One or more parameter values were invalid: Type mismatch for key id expected: N",
            errors.TableKeyError,
        ),
        (
            "ValidationException",
            "The number of conditions on the keys is invalid",
            errors.TableKeyError,
        ),
        ("ValidationException", "Query condition missed key schema element: pk",
         errors.TableKeyError),
        ("ValidationException", "Item size has exceeded", errors.InvalidRequestError),
        (
            "AccessDeniedException",
            "User: arn:aws:sts::1:assumed-role/w/i is not authorized to perform: kms:Decrypt on",
            errors.EncryptionKeyError,
        ),
        ("KMSInvalidStateException", "k is pending deletion", errors.EncryptionKeyError),
        ("KMSDisabledException", "k is disabled", errors.EncryptionKeyError),
        ("KMSThrottlingException", "Rate exceeded", errors.ThrottledError),
    ],
)  # fmt: skip
def test_what_a_table_and_its_key_say(
    code: str, text: str, expected: type[errors.AwsError]
) -> None:
    assert error_class(code, service="dynamodb", message=text) is expected


@pytest.mark.parametrize(
    ("service", "operation", "text", "remedy"),
    [
        (
            "dynamodb",
            "PutItem",
            "User: w is not authorized to perform: dynamodb:PutItem on resource: arn:a because",
            "Grant dynamodb:PutItem on arn:a to the role",
        ),
        ("dynamodb", "BatchGetItem", "no", "Grant dynamodb:BatchGetItem on notes to the role"),
        (
            "sqs",
            "SendMessageBatch",
            "User: w is not authorized to perform: sqs:SendMessage on resource: arn:q",
            "Grant sqs:SendMessage on arn:q to the role",
        ),
        ("sqs", "SendMessageBatch", "no", "Grant the action named above on this resource"),
    ],
)
def test_a_missing_permission_is_named(
    service: str, operation: str, text: str, remedy: str
) -> None:
    refused: Any = {"Error": {"Code": "AccessDeniedException", "Message": text}}
    error = botocore_errors.ClientError(refused, operation)
    found = translate(error, service=service, operation=operation, resource="notes")
    assert type(found) is errors.AccessDeniedError
    assert str(found).startswith(f"{service} {operation} for notes: {text} (AccessDenied")
    assert remedy in str(found)


@pytest.mark.parametrize("status", [500, 503])
def test_a_failure_of_aws_is_temporary(canned_aws: CannedAws, access: Access, status: int) -> None:
    canned_aws.answer("GetQueueUrl", Answer(status=status, body="<html>oh</html>"))
    with pytest.raises(errors.ServiceFaultError):
        SqsQueueService(access).queue_url(NAME)
    assert len(canned_aws.asked) == 3  # botocore has tried again


def test_too_many_requests_without_a_code_is_throttling(
    canned_aws: CannedAws, access: Access
) -> None:
    canned_aws.answer("GetQueueUrl", Answer(status=429, body="slow down"))
    with pytest.raises(errors.ThrottledError):
        SqsQueueService(access).queue_url(NAME)


def test_a_wrong_clock_is_not_a_wrong_key(canned_aws: CannedAws, access: Access) -> None:
    text = "Signature expired: 20260101T000000Z is now earlier than 20260101T001000Z"
    canned_aws.answer("GetQueueUrl", refusal("InvalidSignatureException", text, status=403))
    with pytest.raises(errors.ExpiredCredentialsError):
        SqsQueueService(access).queue_url(NAME)


def test_an_answer_that_is_no_json_is_a_fault(canned_aws: CannedAws, access: Access) -> None:
    canned_aws.answer("GetQueueUrl", Answer(body='{"QueueUrl": "http', content_type="text/plain"))
    with pytest.raises(errors.ServiceFaultError):
        SqsQueueService(access).queue_url(NAME)


def test_a_connection_that_is_closed_without_an_answer_is_unreachable(
    canned_aws: CannedAws, access: Access
) -> None:
    canned_aws.answer("GetQueueUrl", Answer(drop=True))
    with pytest.raises(errors.UnreachableError, match="Check the endpoint"):
        SqsQueueService(access).queue_url(NAME)


def test_a_half_open_connection_is_unreachable(canned_aws: CannedAws, access: Access) -> None:
    canned_aws.answer("GetQueueUrl", Answer(hang=True))
    client = client_for("sqs", access, read_timeout_seconds=0.05, attempts=1)
    with pytest.raises(errors.UnreachableError) as caught, translated("sqs", "GetQueueUrl"):
        client.get_queue_url(QueueName=NAME)
    assert caught.value.code == "ReadTimeoutError"


def test_a_refused_connection_is_unreachable(canned_aws: CannedAws) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        with pytest.raises(errors.UnreachableError, match="Could not connect") as caught:
            SqsQueueService(_anybody(url)).queue_url(NAME)
    assert url in str(caught.value)


def test_a_host_that_does_not_exist_is_unreachable(
    canned_aws: CannedAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(errors.UnreachableError, match=r"nowhere\.invalid"):
        SqsQueueService(_anybody("http://nowhere.invalid")).queue_url(NAME)


def test_no_credentials_anywhere(canned_aws: CannedAws) -> None:
    service = SqsQueueService(Access(region="eu-west-1", endpoint_url=canned_aws.url))
    with pytest.raises(errors.CredentialsError, match="default chain"):
        service.queue_url(NAME)
    assert canned_aws.asked == []


def test_half_a_pair_in_the_environment(
    canned_aws: CannedAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    service = SqsQueueService(Access(region="eu-west-1", endpoint_url=canned_aws.url))
    with pytest.raises(errors.CredentialsError, match="AWS_SECRET_ACCESS_KEY"):
        service.queue_url(NAME)


def test_what_botocore_itself_refuses_is_an_invalid_request(
    canned_aws: CannedAws, access: Access
) -> None:
    with (
        pytest.raises(errors.InvalidRequestError) as caught,
        translated("sqs", "SendMessage", "queue"),
    ):
        client_for("sqs", access).send_message(QueueUrl="queue")
    assert caught.value.code == "ParamValidationError"


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (botocore_errors.CredentialRetrievalError(provider="role", error_msg="no"),
         errors.ExpiredCredentialsError),
        (botocore_errors.MetadataRetrievalError(error_msg="no"), errors.ExpiredCredentialsError),
        (botocore_errors.ProfileNotFound(profile="web"), errors.CredentialsError),
        (botocore_errors.SSLError(endpoint_url="https://x", error=OSError()),
         errors.UnreachableError),
        (botocore_errors.IncompleteReadError(actual_bytes=1, expected_bytes=2),
         errors.UnreachableError),
        (ConnectionResetError("reset"), errors.UnreachableError),
        (botocore_errors.BotoCoreError(), errors.InvalidRequestError),
    ],
)  # fmt: skip
def test_failures_on_our_side_go_by_their_class(
    error: Exception, expected: type[errors.AwsError]
) -> None:
    found = translate(error, service="sqs", operation="ReceiveMessage")
    assert type(found) is expected
    assert found.code == type(error).__name__


def test_a_request_that_does_not_match_its_signature_is_not_repeated() -> None:
    said = (
        "The request signature we calculated does not match. Check your key.\n\n"
        "The Canonical String for this request should have been\n"
        "'POST\n/\n\nhost:sqs.eu-west-1.amazonaws.com\nx-amz-security-token:IQoJb3Jp\n'"
    )
    answer: Any = {"Error": {"Code": "SignatureDoesNotMatch", "Message": said}}
    failure = botocore_errors.ClientError(answer, "GetQueueUrl")
    found = translate(failure, service="sqs", operation="GetQueueUrl")
    assert isinstance(found, errors.CredentialsError)
    assert found.reason.endswith("Check your key")
    assert "IQoJ" not in f"{found}{found!r}"


def test_a_lost_condition_carries_what_is_stored() -> None:
    item = {"id": {"S": "celery-task-meta-1"}}
    # Any: botocore's stubs, where they are installed, do not know that there can be an item.
    lost: Any = {"Error": {"Code": "ConditionalCheckFailedException"}, "Item": item}
    error = botocore_errors.ClientError(lost, "PutItem")
    found = translate(error, service="dynamodb", operation="PutItem", resource="table")
    assert isinstance(found, errors.ConditionFailedError)
    assert found.item == item


def test_what_is_no_failure_of_aws_passes() -> None:
    with pytest.raises(KeyError), translated("sqs", "SendMessage"):
        raise KeyError("a bug of ours")


def _anybody(url: str) -> Access:
    pair = Credentials(access_key_id="AKIDEXAMPLE", secret_access_key="se/cr+et")
    return Access(region="eu-west-1", endpoint_url=url, credentials=pair)
