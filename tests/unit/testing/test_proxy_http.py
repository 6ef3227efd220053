import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest

from celery_aws.testing.proxy_http import (
    HttpHead,
    HttpReply,
    HttpRequest,
    error_reply,
    read_head,
    read_reply,
    read_request_body,
)

T = TypeVar("T")

SCOPE = "Authorization: AWS4-HMAC-SHA256 Credential=KEY/20261122/eu-west-1/{}/aws4_request, Sig=1"
CHUNKS = b"5;name=value\r\nhello\r\n3\r\n???\r\n0\r\nTrailer: 1\r\n\r\n"


def reading(data: bytes, read: Callable[[asyncio.StreamReader], Awaitable[T]]) -> tuple[T, bytes]:
    """Return what ``read`` makes of a connection that brings ``data``, and what it leaves."""

    async def run() -> tuple[T, bytes]:
        reader = asyncio.StreamReader()
        reader.feed_data(data)
        reader.feed_eof()
        return await read(reader), await reader.read()

    return asyncio.run(run())


async def read_request(reader: asyncio.StreamReader) -> HttpRequest:
    head = await read_head(reader)
    assert head is not None
    return HttpRequest(head=head, body=await read_request_body(reader, head))


def request(*lines: str, body: bytes = b"", first: str = "POST / HTTP/1.1") -> HttpRequest:
    length = [f"Content-Length: {len(body)}"]
    text = "\r\n".join([first, *lines, *length, "", ""])
    return reading(text.encode() + body, read_request)[0]


def reply_to(asked: HttpRequest, data: bytes) -> tuple[HttpReply, bytes]:
    return reading(data, lambda reader: read_reply(reader, asked))


def test_a_request_is_kept_byte_for_byte_and_ends_where_it_says() -> None:
    data = b"POST /a?b HTTP/1.1\r\nhOST: x\r\nContent-Length: 4\r\n\r\nbodyPOST /next"

    whole, left = reading(data, read_request)

    assert whole.raw == data[: -len(b"POST /next")]
    assert (whole.head.method, whole.head.headers["host"], whole.body) == ("POST", "x", b"body")
    assert left == b"POST /next"


def test_a_request_in_chunks_ends_after_its_trailers() -> None:
    head = b"PUT /k HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"

    whole, left = reading(head + CHUNKS + b"more", read_request)

    assert (whole.raw, left) == (head + CHUNKS, b"more")


def test_a_request_without_a_body_needs_no_length() -> None:
    whole, left = reading(b"GET / HTTP/1.1\r\nHost: x\r\n\r\nGET /2", read_request)

    assert (whole.body, left) == (b"", b"GET /2")


def test_the_end_of_a_connection_is_no_request() -> None:
    assert reading(b"", read_head)[0] is None
    with pytest.raises(asyncio.IncompleteReadError):
        reading(b"POST / HT", read_head)
    with pytest.raises(asyncio.IncompleteReadError):
        reading(b"POST / HTTP/1.1\r\nContent-Length: 4\r\n\r\nbo", read_request)


@pytest.mark.parametrize(
    ("asked", "operation"),
    [
        (request(SCOPE.format("sqs"), "X-Amz-Target: AmazonSQS.SendMessage"), "sqs.SendMessage"),
        (
            request(SCOPE.format("dynamodb"), "x-amz-target: DynamoDB_20120810.PutItem"),
            "dynamodb.PutItem",
        ),
        (
            request(
                SCOPE.format("sts"),
                "Content-Type: application/x-www-form-urlencoded; charset=utf-8",
                body=b"Action=AssumeRole&Version=2011-06-15",
            ),
            "sts.AssumeRole",
        ),
        (request(SCOPE.format("s3"), first="PUT /bucket/key HTTP/1.1"), "s3.PUT"),
        (request("X-Amz-Target: AmazonSQS.SendMessage"), "unsigned.SendMessage"),
        (request(first="GET /_ministack/health HTTP/1.1"), "unsigned.GET"),
    ],
)
def test_a_request_says_its_operation(asked: HttpRequest, operation: str) -> None:
    assert asked.operation == operation


@pytest.mark.parametrize(
    ("expect", "wanted"), [("100-continue", True), ("100-Continue", True), ("", False)]
)
def test_a_client_may_wait_before_it_sends_the_body(expect: str, wanted: bool) -> None:
    head = HttpHead(raw=b"", first_line="PUT / HTTP/1.1", headers={"expect": expect})

    assert head.expects_continue is wanted


ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


@pytest.mark.parametrize(
    ("data", "closes"),
    [
        (ANSWER, False),
        (ANSWER.replace(b"\r\nC", b"\r\nConnection: close\r\nC", 1), True),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + CHUNKS, False),
        (b"HTTP/1.1 204 No Content\r\n\r\n", False),
    ],
)
def test_an_answer_ends_where_it_says(data: bytes, closes: bool) -> None:
    reply, left = reply_to(request(), data + b"more")

    assert (reply, left) == (HttpReply(raw=data, closes=closes), b"more")


def test_an_answer_of_no_length_ends_with_the_connection() -> None:
    data = b"HTTP/1.0 200 OK\r\n\r\nall of it"

    assert reply_to(request(), data) == (HttpReply(raw=data, closes=True), b"")


def test_an_answer_to_head_has_no_body_although_it_names_a_length() -> None:
    data = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n"

    reply, left = reply_to(request(first="HEAD / HTTP/1.1"), data + b"more")

    assert (reply.raw, left) == (data, b"more")


def test_interim_answers_are_left_out() -> None:
    reply, _ = reply_to(request(), b"HTTP/1.1 100 Continue\r\n\r\n" + ANSWER)

    assert reply.raw == ANSWER


@pytest.mark.parametrize("data", [b"", b"HTTP/1.1 100 Continue\r\n\r\n", ANSWER[:-1]])
def test_half_an_answer_is_none(data: bytes) -> None:
    with pytest.raises(asyncio.IncompleteReadError):
        reply_to(request(), data)


def test_errors_of_json_protocols() -> None:
    asked = request(
        SCOPE.format("sqs"), "X-Amz-Target: AmazonSQS.SendMessage", "x-amzn-query-mode: true"
    )

    raw = error_reply(asked, status=400, code="RequestThrottled", message="slow down").raw

    head, _, body = raw.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert b"x-amzn-query-error: RequestThrottled;Sender" in head
    assert json.loads(body) == {
        "__type": "com.amazonaws.sqs#RequestThrottled",
        "message": "slow down",
    }
    assert reply_to(asked, raw)[0].raw == raw


def test_errors_of_xml_protocols() -> None:
    asked = request(SCOPE.format("sts"))

    raw = error_reply(asked, status=500, code="InternalFailure", message="a < b").raw

    assert b"<Type>Receiver</Type><Code>InternalFailure</Code>" in raw
    assert b"<Message>a &lt; b</Message>" in raw
