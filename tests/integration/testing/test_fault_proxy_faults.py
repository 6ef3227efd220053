"""Each fault of the fault proxy, between boto3 and the local AWS, and between raw sockets."""

import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionClosedError,
    ReadTimeoutError,
)

from celery_aws.aws.errors import translate
from celery_aws.errors import (
    AccessDeniedError,
    AwsError,
    ExpiredCredentialsError,
    ServiceFaultError,
    ThrottledError,
)
from celery_aws.testing import (
    ACCESS_DENIED,
    EXPIRED_CREDENTIALS,
    INTERNAL_ERROR,
    SERVICE_UNAVAILABLE,
    THROTTLED,
    Cut,
    Delay,
    ErrorReply,
    FaultProxy,
    HalfOpen,
    LostReply,
)
from celery_aws.testing.fixtures import AwsEnvironment
from tests.integration.testing.conftest import (
    HEALTH,
    PATIENCE_SECONDS,
    client,
    exchange,
    wait_for_request,
)


def is_silent(opened: socket.socket, *, for_seconds: float) -> bool:
    """Tell whether nothing comes, not even an end: absence is what is shown."""
    opened.settimeout(for_seconds)
    try:
        return opened.recv(1) == b"never"
    except TimeoutError:
        return True


def test_requests_are_forwarded_later(
    sqs: Any, url: str, messages: Callable[[], int], fault_proxy: FaultProxy
) -> None:
    with ThreadPoolExecutor(1) as pool, fault_proxy.switched_on(Delay(seconds=1.0)):
        begun = time.monotonic()
        sending = pool.submit(sqs.send_message, QueueUrl=url, MessageBody="late")
        assert fault_proxy.faulted.wait_for("sqs.SendMessage", timeout_seconds=PATIENCE_SECONDS)
        assert messages() == 0
        sending.result(PATIENCE_SECONDS)
        assert time.monotonic() - begun >= 1.0
    assert messages() == 1


def test_answers_come_later(
    sqs: Any, url: str, messages: Callable[[], int], fault_proxy: FaultProxy
) -> None:
    late = Delay(seconds=1.0, of_reply=True)
    with ThreadPoolExecutor(1) as pool, fault_proxy.switched_on(late):
        sending = pool.submit(sqs.send_message, QueueUrl=url, MessageBody="executed")
        assert fault_proxy.faulted.wait_for("sqs.SendMessage", timeout_seconds=PATIENCE_SECONDS)
        assert messages() == 1
        assert not sending.done()
        sending.result(PATIENCE_SECONDS)


@pytest.mark.parametrize(
    ("fault", "sqs_code", "dynamodb_code", "ours"),
    [
        (INTERNAL_ERROR, "InternalError", "InternalServerError", ServiceFaultError),
        (SERVICE_UNAVAILABLE, "ServiceUnavailable", "ServiceUnavailable", ServiceFaultError),
        (
            THROTTLED,
            "RequestThrottled",
            "ProvisionedThroughputExceededException",
            ThrottledError,
        ),
        (
            EXPIRED_CREDENTIALS,
            "ExpiredToken",
            "ExpiredTokenException",
            ExpiredCredentialsError,
        ),
        (ACCESS_DENIED, "AccessDenied", "AccessDeniedException", AccessDeniedError),
    ],
)
def test_errors_are_those_of_the_services(
    sqs: Any,
    url: str,
    messages: Callable[[], int],
    fault_proxy: FaultProxy,
    fault: ErrorReply,
    sqs_code: str,
    dynamodb_code: str,
    ours: type[AwsError],
) -> None:
    dynamodb = client("dynamodb", fault_proxy.endpoint_url)
    with fault_proxy.switched_on(fault):
        with pytest.raises(ClientError) as of_sqs:
            sqs.send_message(QueueUrl=url, MessageBody="refused")
        with pytest.raises(ClientError) as of_dynamodb:
            dynamodb.list_tables()
    for caught, service, code in (
        (of_sqs, "sqs", sqs_code),
        (of_dynamodb, "dynamodb", dynamodb_code),
    ):
        response: Any = caught.value.response
        assert response["Error"]["Code"] == code
        assert response["ResponseMetadata"]["HTTPStatusCode"] == fault.status
        assert type(translate(caught.value, service=service, operation="any")) is ours
    assert messages() == 0, "it was not forwarded"
    sqs.send_message(QueueUrl=url, MessageBody="taken")
    assert messages() == 1
    assert fault_proxy.faulted.counts() == {"sqs.SendMessage": 1, "dynamodb.ListTables": 1}


def test_errors_of_the_query_protocol(
    aws_environment: AwsEnvironment, fault_proxy: FaultProxy
) -> None:
    sts = client("sts", fault_proxy.endpoint_url)
    with (
        fault_proxy.switched_on(EXPIRED_CREDENTIALS),
        pytest.raises(ClientError, match="ExpiredToken"),
    ):
        sts.get_caller_identity()


def test_a_fault_may_be_for_some_operations_and_some_requests(
    sqs: Any, url: str, fault_proxy: FaultProxy
) -> None:
    with fault_proxy.switched_on(THROTTLED, operations=["sqs.Send*"], times=2):
        sqs.receive_message(QueueUrl=url)
        for _ in range(2):
            with pytest.raises(ClientError, match="RequestThrottled"):
                sqs.send_message(QueueUrl=url, MessageBody="refused")
        sqs.send_message(QueueUrl=url, MessageBody="taken")
    assert fault_proxy.faulted.counts() == {"sqs.SendMessage": 2}
    assert fault_proxy.requests.counts() == {"sqs.SendMessage": 3, "sqs.ReceiveMessage": 1}


def test_a_cut_line_resets_what_is_open_and_closes_what_is_new(
    sqs: Any, url: str, connection: socket.socket, fault_proxy: FaultProxy
) -> None:
    with fault_proxy.switched_on(Cut()):
        with pytest.raises(ConnectionResetError):
            connection.recv(1)
        with pytest.raises(BotoCoreError):
            sqs.send_message(QueueUrl=url, MessageBody="refused")
        assert fault_proxy.faulted.total("connection") >= 1
    sqs.send_message(QueueUrl=url, MessageBody="taken")


def test_a_long_poll_under_way_is_cut(sqs: Any, url: str, fault_proxy: FaultProxy) -> None:
    with ThreadPoolExecutor(1) as pool:
        polling = pool.submit(sqs.receive_message, QueueUrl=url, WaitTimeSeconds=20)
        wait_for_request(fault_proxy, "sqs.ReceiveMessage")
        with fault_proxy.switched_on(Cut()), pytest.raises(ConnectionClosedError):
            polling.result(PATIENCE_SECONDS)
    assert fault_proxy.faulted.counts() == {"sqs.ReceiveMessage": 1}


def test_the_connections_of_some_requests_are_cut(
    sqs: Any, url: str, connection: socket.socket, fault_proxy: FaultProxy
) -> None:
    with fault_proxy.switched_on(Cut(), operations=["sqs.SendMessage"]):
        with pytest.raises(ConnectionClosedError):
            sqs.send_message(QueueUrl=url, MessageBody="refused")
        sqs.receive_message(QueueUrl=url)
        assert exchange(connection).startswith(b"HTTP/1.1 200 ")


def test_a_half_open_connection_never_answers_again(
    sqs: Any,
    url: str,
    messages: Callable[[], int],
    connection: socket.socket,
    fault_proxy: FaultProxy,
) -> None:
    hasty = client("sqs", fault_proxy.endpoint_url, read_timeout_seconds=0.3)
    with fault_proxy.switched_on(HalfOpen()):
        connection.sendall(HEALTH)
        with pytest.raises(ReadTimeoutError):
            hasty.send_message(QueueUrl=url, MessageBody="swallowed")
        assert is_silent(connection, for_seconds=0.3)
    assert fault_proxy.faulted.counts() == {
        "connection": 1,
        "unsigned.GET": 1,
        "sqs.SendMessage": 1,
    }
    connection.sendall(HEALTH)
    assert is_silent(connection, for_seconds=0.3)
    sqs.send_message(QueueUrl=url, MessageBody="taken")
    assert messages() == 1, "nothing that was swallowed came through later"


def test_the_answer_to_a_long_poll_is_swallowed(
    sqs: Any, url: str, messages: Callable[[], int], fault_proxy: FaultProxy
) -> None:
    hasty = client("sqs", fault_proxy.endpoint_url, read_timeout_seconds=2.0)
    with ThreadPoolExecutor(1) as pool:
        polling = pool.submit(hasty.receive_message, QueueUrl=url, WaitTimeSeconds=20)
        wait_for_request(fault_proxy, "sqs.ReceiveMessage")
        with fault_proxy.switched_on(HalfOpen()):
            pass
        # The line works again, but not for this connection.
        sqs.send_message(QueueUrl=url, MessageBody="handed out to nobody")
        with pytest.raises(ReadTimeoutError):
            polling.result(PATIENCE_SECONDS)
    assert messages() == 0


def test_the_connections_of_some_requests_are_half_open(
    url: str, connection: socket.socket, fault_proxy: FaultProxy
) -> None:
    hasty = client("sqs", fault_proxy.endpoint_url, read_timeout_seconds=0.3)
    with fault_proxy.switched_on(HalfOpen(), operations=["sqs.SendMessage"]):
        with pytest.raises(ReadTimeoutError):
            hasty.send_message(QueueUrl=url, MessageBody="swallowed")
        assert exchange(connection).startswith(b"HTTP/1.1 200 ")


def test_a_request_whose_answer_is_lost_has_been_executed(
    sqs: Any, url: str, messages: Callable[[], int], fault_proxy: FaultProxy
) -> None:
    with (
        fault_proxy.switched_on(LostReply(), operations=["sqs.*"], times=1),
        pytest.raises(ConnectionClosedError),
    ):
        sqs.send_message(QueueUrl=url, MessageBody="executed")
    assert messages() == 1
    assert fault_proxy.faulted.counts() == {"sqs.SendMessage": 1}


def test_faults_add_up_and_end_together(sqs: Any, url: str, fault_proxy: FaultProxy) -> None:
    fault_proxy.switch_on(Delay(seconds=0.5))
    fault_proxy.switch_on(THROTTLED)
    begun = time.monotonic()
    with pytest.raises(ClientError, match="RequestThrottled"):
        sqs.receive_message(QueueUrl=url)
    assert time.monotonic() - begun >= 0.5

    fault_proxy.switch_off()
    sqs.receive_message(QueueUrl=url)
    assert fault_proxy.faulted.counts() == {"sqs.ReceiveMessage": 1}
