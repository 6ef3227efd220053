"""The Price List through boto3, answered by a server on loopback."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from celery_aws.aws.price_list import AwsPriceList
from celery_aws.errors import AccessDeniedError, InvalidRequestError


class PriceListServer:
    """Answers each request with what is next, and keeps what it was asked."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, dict[str, Any]]] = []
        self.asked: list[dict[str, Any]] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                server.asked.append(json.loads(self.rfile.read(length)))
                status, answer = server.answers.pop(0)
                body = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/x-amz-json-1.1")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._http = HTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._http.serve_forever, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_port}"

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join(10)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[PriceListServer]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    running = PriceListServer()
    yield running
    running.close()


def page(*products: object, token: str = "") -> tuple[int, dict[str, Any]]:
    texts = [json.dumps(each) for each in products]
    return 200, {"FormatVersion": "aws_v1", "PriceList": texts, "NextToken": token}


def test_pages_are_read_to_the_end(server: PriceListServer) -> None:
    server.answers = [page({"a": 1}, {"a": 2}, token="more"), page({"a": 3})]
    found = AwsPriceList(server.url).products("AWSQueueService", {"queueType": "Fair"})
    assert found == [{"a": 1}, {"a": 2}, {"a": 3}]
    first, second = server.asked
    assert first["ServiceCode"] == "AWSQueueService"
    assert first["Filters"] == [{"Type": "TERM_MATCH", "Field": "queueType", "Value": "Fair"}]
    assert "NextToken" not in first
    assert second["NextToken"] == "more"


def test_endless_pages_are_refused(server: PriceListServer) -> None:
    server.answers = [page({}, token="more")] * 20
    with pytest.raises(InvalidRequestError, match="more than 2000 products"):
        AwsPriceList(server.url).products("AmazonEC2", {})


@pytest.mark.parametrize("text", ["{", "[]"])
def test_what_is_no_product_is_refused(server: PriceListServer, text: str) -> None:
    server.answers = [(200, {"PriceList": [text]})]
    with pytest.raises(InvalidRequestError, match="a product is no"):
        AwsPriceList(server.url).products("AmazonEC2", {})


def test_a_refusal_is_one_of_our_errors(server: PriceListServer) -> None:
    server.answers = [(400, {"__type": "AccessDeniedException", "Message": "not you"})]
    with pytest.raises(AccessDeniedError, match="not you"):
        AwsPriceList(server.url).products("AmazonEC2", {})
