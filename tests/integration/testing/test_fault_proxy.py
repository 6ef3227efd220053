"""The fault proxy between boto3 and the local AWS, and between raw sockets."""

import http.client
import os
import socket
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError
from celery import Celery

from celery_aws import request_counts
from celery_aws.errors import ConfigurationError
from celery_aws.testing import THROTTLED, FaultProxy
from celery_aws.testing.fixtures import AwsEnvironment
from tests.integration.testing.conftest import (
    HEALTH,
    PATIENCE_SECONDS,
    client,
    exchange,
    wait_for_request,
)


def test_requests_go_through_and_are_counted(
    sqs: Any, fault_proxy: FaultProxy, aws_environment: AwsEnvironment
) -> None:
    queue = f"{aws_environment.queue_name_prefix}q"
    url = sqs.create_queue(QueueName=queue)["QueueUrl"]
    # The queue's URL names the server behind; requests about it come to the proxy nevertheless.
    assert url.startswith(aws_environment.endpoint_url)
    sqs.send_message(QueueUrl=url, MessageBody="x" * 1_000_000)
    [message] = sqs.receive_message(QueueUrl=url)["Messages"]

    assert len(message["Body"]) == 1_000_000
    assert fault_proxy.requests.counts() == {
        "sqs.CreateQueue": 1,
        "sqs.SendMessage": 1,
        "sqs.ReceiveMessage": 1,
    }
    assert fault_proxy.faulted.counts() == {}


def test_other_protocols_go_through(
    aws_environment: AwsEnvironment, fault_proxy: FaultProxy
) -> None:
    s3 = client("s3", fault_proxy.endpoint_url)
    bucket = f"{aws_environment.queue_name_prefix}b"
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="k", Body=b"x" * 3_000_000)  # waits for 100 Continue
    assert s3.head_object(Bucket=bucket, Key="k")["ContentLength"] == 3_000_000
    assert len(s3.get_object(Bucket=bucket, Key="k")["Body"].read()) == 3_000_000
    client("sts", fault_proxy.endpoint_url).get_caller_identity()

    assert fault_proxy.requests.counts() == {
        "s3.PUT": 2,
        "s3.HEAD": 1,
        "s3.GET": 1,
        "sts.GetCallerIdentity": 1,
    }


def test_celery_talks_to_the_proxy_and_to_nobody_else(
    proxied_environment: AwsEnvironment, fault_proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("CELERY_BROKER_URL", "CELERY_RESULT_BACKEND"):
        monkeypatch.delenv(name)  # they are those past the proxy, and win over the configuration
    app = Celery("through", set_as_current=False)
    app.conf.update(proxied_environment.celery_config())
    before = Counter(request_counts())
    with closing(app):
        sent = app.send_task("through.nothing")
        app.backend.store_result(sent.id, 7, "SUCCESS")
        assert sent.get(timeout=PATIENCE_SECONDS) == 7
        with app.connection_for_read() as connection:
            assert connection.default_channel.basic_get("celery", no_ack=True) is not None

    # None of them went to the host that the queue's URL names.
    made = Counter(request_counts()) - before
    assert made == fault_proxy.requests.counts()
    assert {"sqs.SendMessage", "sqs.ReceiveMessage", "dynamodb.PutItem"} <= set(made)


def test_the_environment_of_the_worker_is_the_proxys_and_the_tests_is_not(
    aws_environment: AwsEnvironment, proxied_environment: AwsEnvironment, fault_proxy: FaultProxy
) -> None:
    host = fault_proxy.endpoint_url.removeprefix("http://")
    proxied = proxied_environment.variables
    assert proxied_environment.endpoint_url == proxied["AWS_ENDPOINT_URL"]
    assert proxied["AWS_ENDPOINT_URL"] == fault_proxy.endpoint_url
    assert host in proxied_environment.broker_url
    assert host in proxied_environment.result_backend
    assert proxied_environment.queue_name_prefix == aws_environment.queue_name_prefix
    assert proxied_environment.results_table in proxied_environment.result_backend
    assert os.environ["AWS_ENDPOINT_URL"] == aws_environment.endpoint_url


def test_a_connection_is_kept_for_the_next_request(fault_proxy: FaultProxy) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", fault_proxy.port, timeout=5)
    with closing(connection):
        sockets = []
        for _ in range(3):
            connection.request("GET", "/_ministack/health")
            assert connection.getresponse().read()
            sockets.append(connection.sock)
    assert sockets[0] is not None
    assert len(set(sockets)) == 1


def test_requests_that_come_together_are_answered_in_order(connection: socket.socket) -> None:
    connection.sendall(HEALTH + b"GET /last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    answers = b"".join(iter(lambda: connection.recv(65_536), b""))
    assert answers.startswith(b"HTTP/1.1 200 ")
    assert answers.count(b"HTTP/1.1 ") == 2


def test_a_client_that_goes_away_takes_its_request_along() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        FaultProxy(f"http://127.0.0.1:{server.getsockname()[1]}") as proxy,
    ):
        server.settimeout(PATIENCE_SECONDS)
        with socket.create_connection(("127.0.0.1", proxy.port)) as gone:
            gone.sendall(HEALTH)
            behind, _ = server.accept()
            behind.settimeout(PATIENCE_SECONDS)
            assert behind.recv(65_536) == HEALTH
        with behind:
            assert behind.recv(1) == b""


def test_a_server_that_is_gone_shows_as_a_closed_connection() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with FaultProxy(f"http://127.0.0.1:{port}") as proxy:
        for _ in range(2):
            with socket.create_connection(("127.0.0.1", proxy.port), PATIENCE_SECONDS) as opened:
                assert exchange(opened) == b""


def test_what_is_no_http_closes_its_own_connection_only(
    connection: socket.socket, fault_proxy: FaultProxy
) -> None:
    with socket.create_connection(("127.0.0.1", fault_proxy.port), PATIENCE_SECONDS) as other:
        assert exchange(other, b"POST / HTTP/1.1\r\nContent-Length: lots\r\n\r\n") == b""
    assert exchange(connection).startswith(b"HTTP/1.1 200 ")


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="needs Linux to count descriptors")
def test_a_stop_leaves_no_thread_and_no_socket(url: str, aws_environment: AwsEnvironment) -> None:
    before = set(os.listdir("/proc/self/fd"))
    proxy = FaultProxy(aws_environment.endpoint_url)
    proxy.start()
    port = proxy.port
    proxy.start()
    assert proxy.port == port
    [thread] = [each for each in threading.enumerate() if each.name == "celery-aws-fault-proxy"]
    idle = socket.create_connection(("127.0.0.1", port), PATIENCE_SECONDS)
    with ThreadPoolExecutor(1) as pool, idle:
        sqs = client("sqs", proxy.endpoint_url)
        polling = pool.submit(sqs.receive_message, QueueUrl=url, WaitTimeSeconds=20)
        wait_for_request(proxy, "sqs.ReceiveMessage")

        proxy.stop()
        proxy.stop()

        with pytest.raises(ConnectionClosedError):
            polling.result(PATIENCE_SECONDS)
        assert idle.recv(1) == b""
        sqs.close()
    thread.join(PATIENCE_SECONDS)
    assert not thread.is_alive()
    assert not proxy.running
    assert set(os.listdir("/proc/self/fd")) == before
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), 1)


def test_it_starts_again_with_the_faults_that_are_on(
    url: str, aws_environment: AwsEnvironment
) -> None:
    proxy = FaultProxy(aws_environment.endpoint_url)
    proxy.switch_on(THROTTLED, times=1)
    for raises in (True, False):
        with proxy:
            sqs = client("sqs", proxy.endpoint_url)
            if raises:
                with pytest.raises(ClientError, match="RequestThrottled"):
                    sqs.receive_message(QueueUrl=url)
            else:
                sqs.receive_message(QueueUrl=url)
    with pytest.raises(RuntimeError, match="call start"):
        _ = proxy.port


@pytest.mark.parametrize(
    "endpoint_url",
    ["https://127.0.0.1:4566", "http://sqs.eu-west-1.amazonaws.com:80", "http://127.0.0.1", ""],
)
def test_it_forwards_to_this_machine_only(endpoint_url: str) -> None:
    with pytest.raises(ConfigurationError, match="is not a server on this machine"):
        FaultProxy(endpoint_url)
