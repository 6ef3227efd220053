"""Direct requests are boto3's, byte for byte, of whatever version is installed.

All but what differs between any two of boto3's: date, signature, the number of the call. If a
boto3 makes its requests in another way than a template can, the tests say that nothing is direct.
"""

import shutil
import ssl
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from celery_aws.aws.access import Access
from celery_aws.aws.dynamodb import DynamoTableService
from celery_aws.aws.sqs import SEND_BATCH_TIMEOUT_SECONDS, SETTLE_TIMEOUT_SECONDS, SqsQueueService
from celery_aws.aws.wire.wire import Wire, wire_for
from celery_aws.config.credentials import Credentials
from celery_aws.core.attributes import AttributeValue, Item, binary, number, text, texts
from celery_aws.core.conditions import Condition, Equals, Missing, NotEquals, Or
from celery_aws.core.messages import OutgoingMessage
from celery_aws.errors import UnreachableError
from celery_aws.names import QueueUrl, ReceiptHandle, TableName
from tests.unit.aws.wire.recorder import Recorder, answer, frozen, recording

URL = QueueUrl("https://sqs.eu-west-1.amazonaws.com/123456789012/tasks")
TABLE = TableName("celery")

words = st.text(max_size=40)
attributes = st.dictionaries(
    st.text(min_size=1, max_size=20),
    st.one_of(
        st.fixed_dictionaries({"DataType": st.just("String"), "StringValue": words}),
        st.fixed_dictionaries({"DataType": st.just("Binary"), "BinaryValue": st.binary()}),
    ),
    max_size=3,
)
messages = st.builds(
    OutgoingMessage,
    body=st.one_of(words, st.integers(0, 300_000).map(lambda size: "x" * size)),
    delay_seconds=st.none() | st.integers(0, 900),
    message_group_id=st.none() | words,
    message_deduplication_id=st.none() | words,
    message_attributes=attributes,
)
handles = st.lists(st.text(min_size=1, max_size=60).map(ReceiptHandle), min_size=1, max_size=10)
values: st.SearchStrategy[AttributeValue] = st.one_of(
    words.map(text),
    st.integers().map(number),
    st.binary(max_size=400).map(binary),
    st.lists(words, min_size=1, max_size=3).map(texts),
)
items: st.SearchStrategy[Item] = st.dictionaries(
    st.text(min_size=1, max_size=10), values, min_size=1, max_size=5
)
conditions: st.SearchStrategy[Condition | None] = st.none() | st.sampled_from(
    [
        Missing("status"),
        Or((Missing("status"), NotEquals("status", text("SUCCESS")))),
        Equals("result", binary(b"\x00\xff")),
    ]
)
many = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture
def recorder(bare_environment: pytest.MonkeyPatch) -> Iterator[Recorder]:
    with recording() as recorder:
        yield recorder


@pytest.fixture(params=[None, "session/token+=="], ids=["pair", "token"])
def access(recorder: Recorder, request: pytest.FixtureRequest) -> Access:
    credentials = Credentials(
        access_key_id="AKIDEXAMPLE", secret_access_key="se/cr+et", session_token=request.param
    )
    return Access(region="eu-west-1", endpoint_url=recorder.url, credentials=credentials)


class Pair:
    """The same calls through boto3 and directly, and how many botocore has made of them."""

    def __init__(self, recorder: Recorder, access: Access) -> None:
        self.recorder = recorder
        self.access = access
        accesses = [replace(access, direct_requests=False), access]
        self.queues = [SqsQueueService(each) for each in accesses]
        self.tables = [DynamoTableService(each) for each in accesses]
        self.botocores = 0

    def learn(self, wire: Wire, *calls: Callable[[], object]) -> None:
        """Make the first calls, which are botocore's in any case, and count it from then on."""
        for call in calls:
            call()
        wire.client.meta.events.register("before-call", self._count)

    def check(self, call: Callable[[int], object]) -> None:
        """Make a call both ways."""
        before = self.botocores
        call(0)
        call(1)
        assert self.botocores == before + 1
        theirs, ours = self.recorder.requests[-2:]
        assert ours.lasting == theirs.lasting
        assert ours.headers["amz-sdk-request"] == theirs.headers["amz-sdk-request"]
        assert ours.headers["amz-sdk-invocation-id"] != theirs.headers["amz-sdk-invocation-id"]
        assert theirs.is_signed_by(frozen(self.access.credentials))
        assert ours.is_signed_by(frozen(self.access.credentials))

    def _count(self, **_: Any) -> None:
        self.botocores += 1


@pytest.fixture
def pair(recorder: Recorder, access: Access) -> Pair:
    return Pair(recorder, access)


@pytest.fixture
def sending(pair: Pair) -> Pair:
    pair.recorder.answer = answer(b'{"MessageId": "1"}')
    wire = wire_for("sqs", pair.access)
    pair.learn(wire, lambda: pair.queues[1].send(URL, OutgoingMessage(body="first")))
    return pair


@many
@given(message=messages)
def test_a_message(sending: Pair, message: OutgoingMessage) -> None:
    sending.check(lambda way: sending.queues[way].send(URL, message))


@pytest.fixture
def sending_batches(pair: Pair) -> Pair:
    wire = pair.queues[1]._one_attempt_wire(SEND_BATCH_TIMEOUT_SECONDS)
    pair.learn(wire, lambda: pair.queues[1].send_batch(URL, [OutgoingMessage(body="first")]))
    return pair


@many
@given(batch=st.lists(messages, min_size=1, max_size=10))
def test_a_batch_of_messages(sending_batches: Pair, batch: list[OutgoingMessage]) -> None:
    sending_batches.check(lambda way: sending_batches.queues[way].send_batch(URL, batch))


@pytest.fixture
def receiving(pair: Pair) -> Pair:
    for wait_seconds in (0, 3, 20):
        wire = pair.queues[1]._receive_wire(wait_seconds)
        pair.learn(wire, lambda: receive(pair.queues[1], wait_seconds))  # noqa: B023
    return pair


def receive(
    service: SqsQueueService,
    wait_seconds: int,
    visibility_timeout_seconds: int | None = None,
    max_messages: int = 1,
) -> None:
    service.receive(
        URL,
        max_messages=max_messages,
        wait_seconds=wait_seconds,
        visibility_timeout_seconds=visibility_timeout_seconds,
    )


@many
@given(
    wait_seconds=st.sampled_from([0, 3, 20]),
    visibility=st.none() | st.integers(0, 43_200),
    max_messages=st.integers(1, 10),
)
def test_a_receive(
    receiving: Pair, wait_seconds: int, visibility: int | None, max_messages: int
) -> None:
    receiving.check(
        lambda way: receive(receiving.queues[way], wait_seconds, visibility, max_messages)
    )


@pytest.fixture
def settling(pair: Pair) -> Pair:
    wire = pair.queues[1]._one_attempt_wire(SETTLE_TIMEOUT_SECONDS)
    first = ReceiptHandle("first")
    pair.learn(
        wire,
        lambda: pair.queues[1].delete_batch(URL, [first]),
        lambda: pair.queues[1].change_visibility_batch(URL, [(first, 0)]),
    )
    return pair


@many
@given(handles=handles)
def test_a_batch_of_deletes(settling: Pair, handles: list[ReceiptHandle]) -> None:
    settling.check(lambda way: settling.queues[way].delete_batch(URL, handles))


@many
@given(handles=handles, seconds=st.integers(0, 43_200))
def test_a_batch_of_visibility_timeouts(
    settling: Pair, handles: list[ReceiptHandle], seconds: int
) -> None:
    timeouts = [(handle, seconds) for handle in handles]
    settling.check(lambda way: settling.queues[way].change_visibility_batch(URL, timeouts))


@pytest.fixture
def putting(pair: Pair) -> Pair:
    wire = wire_for("dynamodb", pair.access)
    pair.learn(wire, lambda: pair.tables[1].put_item(TABLE, {"id": text("first")}))
    return pair


@many
@given(item=items, condition=conditions)
def test_a_put(putting: Pair, item: Item, condition: Condition | None) -> None:
    putting.check(lambda way: putting.tables[way].put_item(TABLE, item, condition=condition))


def check_sends(recorder: Recorder, access: Access) -> None:
    """Check that messages are sent directly, over the connection that there is."""
    recorder.answer = answer(b'{"MessageId": "1"}')
    pair = Pair(recorder, access)
    pair.learn(wire_for("sqs", access), lambda: pair.queues[1].send(URL, OutgoingMessage(body="1")))
    for body in ("2", "3"):
        pair.check(lambda way: pair.queues[way].send(URL, OutgoingMessage(body=body)))  # noqa: B023
    assert recorder.connections == 1


def test_the_same_over_tls(bare_environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    certificate = self_signed(tmp_path)
    bare_environment.setenv("AWS_CA_BUNDLE", str(certificate))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    with recording(tls, "localhost") as recorder:
        check_sends(recorder, access_to(recorder.url))


def test_a_certificate_is_verified(bare_environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(self_signed(tmp_path))
    with recording(tls, "localhost") as recorder:
        service = SqsQueueService(access_to(recorder.url))
        for _ in range(2):
            with pytest.raises(UnreachableError, match="SSL"):
                service.send_batch(URL, [OutgoingMessage(body="1")])


def test_the_same_through_a_proxy(recorder: Recorder) -> None:
    proxies = {"proxies": {"http": recorder.url}}
    check_sends(recorder, access_to("http://sqs.invalid", **proxies))
    assert recorder.requests[-1].raw.startswith(b"POST http://sqs.invalid/ HTTP/1.1\r\n")


@pytest.mark.parametrize("path", ["/", "/aws/sqs", "/a b"])
def test_the_same_at_a_path(recorder: Recorder, path: str) -> None:
    access = access_to(recorder.url + path)
    if path == "/a b":  # is signed in another way than it is sent: left to boto3
        SqsQueueService(access).send_batch(URL, [OutgoingMessage(body="1")])
        wire = SqsQueueService(access)._one_attempt_wire(SEND_BATCH_TIMEOUT_SECONDS)
        assert list(wire._templates.values()) == [None]
    else:
        check_sends(recorder, access)


def test_the_same_by_a_name(bare_environment: pytest.MonkeyPatch) -> None:
    with recording(host="localhost") as recorder:
        check_sends(recorder, access_to(recorder.url))


def access_to(url: str, **client_config: Any) -> Access:
    credentials = Credentials(access_key_id="AKIDEXAMPLE", secret_access_key="se/cr+et")
    return Access(
        region="eu-west-1", endpoint_url=url, credentials=credentials, client_config=client_config
    )


def self_signed(folder: Path) -> Path:
    """Return the file of a key and a certificate for localhost."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl makes the certificate")
    file = folder / "localhost.pem"
    command = "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost"
    extension = ["-addext", "subjectAltName=DNS:localhost"]
    files = ["-keyout", str(file), "-out", str(folder / "certificate.pem")]
    subprocess.run([openssl, *command.split(), *extension, *files], check=True, capture_output=True)
    with file.open("a") as both:
        both.write((folder / "certificate.pem").read_text())
    return file
