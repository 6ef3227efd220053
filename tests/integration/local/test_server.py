import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from celery_aws.errors import ConfigurationError, ProcessFailedError, UnsupportedError
from celery_aws.local import LocalAws
from tests.waiting import watching

SERVE = Path(__file__).parents[3] / "src" / "celery_aws" / "local" / "_serve.py"

OWNER = """
import signal, sys
from celery_aws.local import LocalAws
aws = LocalAws(data_dir=sys.argv[1])
aws.start()
print(aws.pid, aws.port, flush=True)
signal.pause()
"""


def client(service: str, aws: LocalAws, **more: Any) -> Any:
    keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"} | more
    return boto3.client(service, region_name="us-east-1", endpoint_url=aws.endpoint_url, **keys)


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_serves_until_it_is_stopped_and_starts_again() -> None:
    aws = LocalAws()
    aws.start()
    pid = aws.pid
    aws.start()
    assert aws.pid == pid
    client("sqs", aws).create_queue(QueueName="orders")
    port = aws.port
    aws.stop()
    aws.stop()
    assert not aws.running
    assert not answers(port)

    with aws:
        assert client("sqs", aws).list_queues().get("QueueUrls", []) == []


def test_an_ended_server_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    with LocalAws() as aws:
        client("s3", aws).create_bucket(Bucket="images")
        client("dynamodb", aws).list_tables()
    assert list(tmp_path.iterdir()) == []
    assert aws.output == ""


def test_a_long_poll_does_not_hold_up_the_end() -> None:
    with LocalAws() as aws:
        url = client("sqs", aws).create_queue(QueueName="orders")["QueueUrl"]
        host = f"127.0.0.1:{aws.port}"
        body = f"Action=ReceiveMessage&QueueUrl={url}&WaitTimeSeconds=20"
        with socket.create_connection(("127.0.0.1", aws.port), timeout=0.3) as poll:
            head = f"POST / HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(body)}\r\n"
            form = "Content-Type: application/x-www-form-urlencoded\r\n\r\n"
            poll.sendall((head + form + body).encode())
            with pytest.raises(TimeoutError):
                poll.recv(1)
            aws.stop()
            poll.settimeout(10.0)
            assert poll.recv(65536).startswith(b"HTTP/1.1 500")


def test_uses_the_given_port() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with LocalAws(port=port) as aws:
        assert aws.endpoint_url == f"http://127.0.0.1:{port}"
        assert aws.environment()["AWS_ENDPOINT_URL"] == aws.endpoint_url


def test_a_port_in_use_is_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigurationError, match=f"port: 127.0.0.1:{port} cannot be listened"):
            LocalAws(port=port).start()


def test_a_port_out_of_range_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="port: 99999 is not within 0 to 65535"):
        LocalAws(port=99999).start()


def test_a_socket_on_other_interfaces_is_refused() -> None:
    with socket.create_server(("0.0.0.0", 0)) as exposed:
        number = exposed.fileno()
        ended = subprocess.run(
            [sys.executable, str(SERVE), "--socket", str(number), "--parent", str(os.getpid())],
            pass_fds=[number],
            capture_output=True,
            text=True,
            check=False,
        )
    assert ended.returncode == 1
    assert "0.0.0.0 is not a loopback address" in ended.stderr


def test_a_missing_ministack_names_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ministack", None)
    with pytest.raises(UnsupportedError, match=r'pip install "celery-aws\[local\]"'):
        LocalAws().start()


def test_a_failed_start_shows_what_the_server_wrote(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "hypercorn.py").write_text("raise ImportError('hypercorn is broken')\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    aws = LocalAws()
    with pytest.raises(ProcessFailedError, match="ended while it started") as caught:
        aws.start()
    assert "hypercorn is broken" in caught.value.output
    assert not aws.running


def test_a_start_past_its_deadline_is_an_error() -> None:
    aws = LocalAws(start_timeout_seconds=0.001)
    with pytest.raises(ProcessFailedError, match=r"did not answer within 0\.001 s"):
        aws.start()
    assert not aws.running


def test_what_was_not_started_has_no_port() -> None:
    with pytest.raises(ProcessFailedError, match="call start"):
        _ = LocalAws().endpoint_url


def test_a_data_folder_keeps_queues_tables_and_objects(tmp_path: Path) -> None:
    with LocalAws(data_dir=tmp_path / "data") as aws:
        sqs, s3 = client("sqs", aws), client("s3", aws)
        url = sqs.create_queue(QueueName="orders")["QueueUrl"]
        sqs.send_message(QueueUrl=url, MessageBody="kept")
        s3.create_bucket(Bucket="images")
        s3.put_object(Bucket="images", Key="a/b", Body=b"kept")
        client("dynamodb", aws).create_table(
            TableName="results",
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )

    with LocalAws(data_dir=tmp_path / "data") as aws:
        sqs = client("sqs", aws)
        url = sqs.get_queue_url(QueueName="orders")["QueueUrl"]
        assert sqs.receive_message(QueueUrl=url)["Messages"][0]["Body"] == "kept"
        assert client("s3", aws).get_object(Bucket="images", Key="a/b")["Body"].read() == b"kept"
        assert client("dynamodb", aws).list_tables()["TableNames"] == ["results"]
        aws.reset()

    with LocalAws(data_dir=tmp_path / "data") as aws:
        assert client("dynamodb", aws).list_tables()["TableNames"] == []


def test_a_data_folder_in_use_is_refused(tmp_path: Path) -> None:
    with (
        LocalAws(data_dir=tmp_path),
        pytest.raises(ConfigurationError, match="another local AWS keeps its state"),
    ):
        LocalAws(data_dir=tmp_path).start()
    with LocalAws(data_dir=tmp_path) as aws:
        assert aws.running


def test_reset_empties_it() -> None:
    with LocalAws() as aws:
        client("sqs", aws).create_queue(QueueName="orders")
        aws.reset()
        assert client("sqs", aws).list_queues().get("QueueUrls", []) == []
    with pytest.raises(ProcessFailedError, match="does not answer"):
        aws.reset()


def test_with_auth_unknown_keys_are_refused() -> None:
    with LocalAws(auth=True) as aws:
        client("sqs", aws).list_queues()
        with pytest.raises(ClientError, match=r"InvalidClientTokenId|security token"):
            client("sqs", aws, aws_access_key_id="AKIAUNKNOWN").list_queues()


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="needs Linux to watch a pid")
def test_ends_by_itself_when_its_parent_is_killed(tmp_path: Path) -> None:
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert owner.stdout is not None
    with owner, owner.stdout as written:
        pid, port = (int(word) for word in written.readline().split())
        with watching(pid) as server:
            owner.send_signal(signal.SIGKILL)
            assert owner.wait() == -signal.SIGKILL
            assert server.ended_within(10.0)
    assert not answers(port)
    # Its end was a clean one: the state was written.
    assert (tmp_path / "state").is_dir()


def test_a_long_poll_brings_what_is_sent_at_once() -> None:
    with LocalAws() as aws, ThreadPoolExecutor() as threads:
        sqs = client("sqs", aws)
        url = sqs.create_queue(QueueName="q")["QueueUrl"]

        def wait_seconds() -> float:
            began = time.monotonic()
            poll = threads.submit(sqs.receive_message, QueueUrl=url, WaitTimeSeconds=5)
            # The server looks when the poll comes, and ministack itself again 0.1 s later.
            time.sleep(0.03)
            sqs.send_message(QueueUrl=url, MessageBody="1")
            (message,) = poll.result()["Messages"]
            ended = time.monotonic()
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            return ended - began

        # The best of some: a busy machine takes longer.
        assert min(wait_seconds() for _ in range(10)) < 0.09
