"""One table from what AWS and botocore say to the package's errors.

Codes are from the API references of SQS, DynamoDB, S3 and STS ("Errors" of each operation,
"Common errors", "Error responses"), client-side failures from botocore/exceptions.py.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from botocore import exceptions as botocore_errors
from botocore.parsers import ResponseParserError

from celery_aws import errors

_BY_CODE: dict[str, type[errors.AwsError]] = {
    # Throttling.
    "Throttling": errors.ThrottledError,
    "ThrottlingException": errors.ThrottledError,
    "ThrottledException": errors.ThrottledError,
    "RequestThrottled": errors.ThrottledError,
    "RequestThrottledException": errors.ThrottledError,
    "RequestLimitExceeded": errors.ThrottledError,
    "TooManyRequestsException": errors.ThrottledError,
    "SlowDown": errors.ThrottledError,
    "OverLimit": errors.ThrottledError,
    "ProvisionedThroughputExceededException": errors.ThrottledError,
    "LimitExceededException": errors.ThrottledError,
    "KmsThrottled": errors.ThrottledError,
    "KMS.ThrottlingException": errors.ThrottledError,
    "KMSThrottlingException": errors.ThrottledError,
    "PurgeQueueInProgress": errors.ThrottledError,
    "QueueDeletedRecently": errors.ThrottledError,
    # AWS's own failures.
    "InternalError": errors.ServiceFaultError,
    "InternalFailure": errors.ServiceFaultError,
    "InternalServerError": errors.ServiceFaultError,
    "InternalServiceError": errors.ServiceFaultError,
    "OperationAborted": errors.ServiceFaultError,
    "ReplicatedWriteConflictException": errors.ServiceFaultError,
    "TransactionConflictException": errors.ServiceFaultError,
    "ServiceUnavailable": errors.ServiceFaultError,
    # Of a new table, for some time.
    "ContinuousBackupsUnavailableException": errors.ServiceFaultError,
    "RequestTimeout": errors.ServiceFaultError,
    "RequestTimeoutException": errors.ServiceFaultError,
    # Credentials. A wrong clock looks like expired credentials, and comes right like them.
    "ExpiredToken": errors.ExpiredCredentialsError,
    "ExpiredTokenException": errors.ExpiredCredentialsError,
    "RequestExpired": errors.ExpiredCredentialsError,
    "RequestTimeTooSkewed": errors.ExpiredCredentialsError,
    "TokenRefreshRequired": errors.ExpiredCredentialsError,
    "IncompleteSignature": errors.CredentialsError,
    "InvalidAccessKeyId": errors.CredentialsError,
    "InvalidClientTokenId": errors.CredentialsError,
    "InvalidSignatureException": errors.CredentialsError,
    "MissingAuthenticationToken": errors.CredentialsError,
    "SignatureDoesNotMatch": errors.CredentialsError,
    "UnrecognizedClientException": errors.CredentialsError,
    "InvalidSecurity": errors.CredentialsError,
    "InvalidToken": errors.CredentialsError,
    # Permissions.
    "AccessDenied": errors.AccessDeniedError,
    "AccessDeniedException": errors.AccessDeniedError,
    "AccountProblem": errors.AccessDeniedError,
    "AllAccessDisabled": errors.AccessDeniedError,
    "AuthorizationError": errors.AccessDeniedError,
    "NotSignedUp": errors.AccessDeniedError,
    "OptInRequired": errors.AccessDeniedError,
    # All that S3 says to a HEAD.
    "403": errors.AccessDeniedError,
    # Keys of KMS: SQS's spelling, S3's, and that of KMS-backed services since.
    "KmsAccessDenied": errors.EncryptionKeyError,
    "KmsDisabled": errors.EncryptionKeyError,
    "KmsInvalidKeyUsage": errors.EncryptionKeyError,
    "KmsInvalidState": errors.EncryptionKeyError,
    "KmsNotFound": errors.EncryptionKeyError,
    "KmsOptInRequired": errors.EncryptionKeyError,
    "KMS.AccessDeniedException": errors.EncryptionKeyError,
    "KMS.DisabledException": errors.EncryptionKeyError,
    "KMS.InvalidStateException": errors.EncryptionKeyError,
    "KMS.KMSInvalidStateException": errors.EncryptionKeyError,
    "KMS.NotFoundException": errors.EncryptionKeyError,
    "KMSAccessDeniedException": errors.EncryptionKeyError,
    "KMSDisabledException": errors.EncryptionKeyError,
    "KMSInvalidStateException": errors.EncryptionKeyError,
    "KMSNotFoundException": errors.EncryptionKeyError,
    "KMSOptInRequired": errors.EncryptionKeyError,
    # Existence.
    "NonExistentQueue": errors.QueueNotFoundError,
    "QueueDoesNotExist": errors.QueueNotFoundError,
    "NoSuchBucket": errors.BucketNotFoundError,
    "404": errors.BucketNotFoundError,
    "NoSuchKey": errors.ObjectNotFoundError,
    "ResourceNotFoundException": errors.TableNotFoundError,
    "TableNotFoundException": errors.TableNotFoundError,
    "QueueNameExists": errors.AlreadyExistsError,
    "QueueAlreadyExists": errors.AlreadyExistsError,
    "BucketAlreadyOwnedByYou": errors.AlreadyExistsError,
    "ResourceInUseException": errors.AlreadyExistsError,
    "TableAlreadyExistsException": errors.AlreadyExistsError,
    # Our own requests.
    "ConditionalCheckFailedException": errors.ConditionFailedError,
    "ReceiptHandleIsInvalid": errors.StaleReceiptError,
    "MessageNotInflight": errors.StaleReceiptError,
}

#: The signature did not match because the machine's clock is off: AWS says so in the text only.
_SKEW_WORDS = ("Signature expired", "Signature not yet current")

#: The table has another primary key than the request: DynamoDB says so in the text only.
_WRONG_KEY_WORDS = (
    "provided key element does not match the schema",
    "number of conditions on the keys is invalid",
    "Missing the key ",
    "Type mismatch for key",
    "condition missed key schema element",
    # DynamoDB Local's words.
    "One of the required keys was not given a value",
)

#: What AWS says is missing, such as ``sqs:SendMessage`` for SendMessageBatch, and on what.
_DENIED = re.compile(r"not authorized to perform: (\S+)(?: on resource: (\S+))?")

#: The service may be used, and the key of its data not.
_DENIED_KEY = "not authorized to perform: kms:"

_BY_CLASS: tuple[tuple[type[Exception], type[errors.AwsError]], ...] = (
    (botocore_errors.NoCredentialsError, errors.CredentialsError),
    (botocore_errors.PartialCredentialsError, errors.CredentialsError),
    (botocore_errors.ProfileNotFound, errors.CredentialsError),
    (botocore_errors.CredentialRetrievalError, errors.ExpiredCredentialsError),
    (botocore_errors.MetadataRetrievalError, errors.ExpiredCredentialsError),
    (botocore_errors.SSOTokenLoadError, errors.ExpiredCredentialsError),
    (botocore_errors.HTTPClientError, errors.UnreachableError),
    (botocore_errors.ConnectionError, errors.UnreachableError),
    (botocore_errors.IncompleteReadError, errors.UnreachableError),
    (botocore_errors.FlexibleChecksumError, errors.ServiceFaultError),
    (ResponseParserError, errors.ServiceFaultError),
)

#: Everything that a call on a boto3 client raises.
_FAILURES = (
    botocore_errors.BotoCoreError,
    botocore_errors.ClientError,
    ResponseParserError,
    OSError,
)

_SERVER_ERROR_STATUS = 500
_THROTTLED_STATUS = 429
_QUERY_COMPATIBLE = "AWS.SimpleQueueService."

#: The operation that botocore calls in the middle of any other.
ASSUME_ROLE = "AssumeRole"


def error_class(
    code: str, *, service: str, status: int = 400, message: str = ""
) -> type[errors.AwsError]:
    """Return our class for AWS's error ``code``.

    Args:
        code: AWS's error code, with or without the prefix that the query protocol had.
        service: ``sqs``, ``dynamodb``, ...: what is not found is a table in one only.
        status: the HTTP status of the answer.
        message: AWS's text; only a clock that is off, a table with another key, and a key of
            KMS that may not be used are told by it.
    """
    found = _by_text(code, message) or _BY_CODE.get(code.removeprefix(_QUERY_COMPATIBLE))
    if found is errors.TableNotFoundError and service != "dynamodb":
        return errors.NotFoundError
    if found is not None:
        return found
    if status >= _SERVER_ERROR_STATUS:
        return errors.ServiceFaultError
    if status == _THROTTLED_STATUS:
        return errors.ThrottledError
    return errors.InvalidRequestError


def _by_text(code: str, message: str) -> type[errors.AwsError] | None:
    if any(words in message for words in _SKEW_WORDS):
        return errors.ExpiredCredentialsError
    if code == "ValidationException" and any(words in message for words in _WRONG_KEY_WORDS):
        return errors.TableKeyError
    if code.startswith("AccessDenied") and _DENIED_KEY in message:
        return errors.EncryptionKeyError
    return None


def translate(
    error: Exception, *, service: str, operation: str, resource: str | None = None
) -> errors.AwsError:
    """Return our error for what botocore raised; the caller raises it ``from`` the original.

    Args:
        error: a ``ClientError``, another ``BotoCoreError`` or an ``OSError``.
        service: ``sqs``, ``dynamodb``, ...
        operation: the API operation.
        resource: queue name, queue URL or table.
    """
    if isinstance(error, botocore_errors.ClientError):
        response: Any = error.response
        details = response.get("Error", {})
        code = str(details.get("Code", "Unknown"))
        message = str(details.get("Message", "")) or "no message"
        http = response.get("ResponseMetadata", {})
        if error.operation_name == ASSUME_ROLE:  # botocore renewed the role's session by itself
            service, operation = "sts", ASSUME_ROLE
        cls = error_class(
            code, service=service, status=http.get("HTTPStatusCode", 400), message=message
        )
        if cls is errors.CredentialsError:
            # Of a signature that does not match, the whole request follows, a session token too.
            message = message.strip().partition("\n")[0]
        facts: dict[str, Any] = {
            "service": service,
            "operation": operation,
            "code": code,
            "resource": resource,
            "request_id": http.get("RequestId"),
        }
        if issubclass(cls, errors.ConditionFailedError):
            return cls(message, item=response.get("Item"), **facts)
        if cls is errors.AccessDeniedError:
            facts["remedy"] = _grant(message, service, operation, resource)
        return cls(message.rstrip("."), **facts)
    for botocore_class, ours in _BY_CLASS:
        if isinstance(error, botocore_class):
            return _client_side(ours, error, service, operation, resource)
    if isinstance(error, OSError):
        return _client_side(errors.UnreachableError, error, service, operation, resource)
    return _client_side(errors.InvalidRequestError, error, service, operation, resource)


@contextmanager
def translated(service: str, operation: str, resource: str | None = None) -> Iterator[None]:
    """Run one AWS call; what it raises becomes one of our errors."""
    try:
        yield
    except _FAILURES as error:
        raise translate(error, service=service, operation=operation, resource=resource) from error


def _grant(message: str, service: str, operation: str, resource: str | None) -> str | None:
    """Return which permission is missing, or None where nobody says so.

    Elsewhere than in DynamoDB the action is not always called like the operation.
    """
    denied = _DENIED.search(message)
    if denied is not None:
        action, on = denied[1], denied[2] or resource
    elif service == "dynamodb":
        action, on = f"dynamodb:{operation}", resource
    else:
        return None
    return f"Grant {action} on {on or 'this resource'} to the role or user in use"


def _client_side(
    cls: type[errors.AwsError],
    error: Exception,
    service: str,
    operation: str,
    resource: str | None,
) -> errors.AwsError:
    return cls(
        str(error).rstrip("."),
        service=service,
        operation=operation,
        code=type(error).__name__,
        resource=resource,
    )
