"""A loopback server that answers what a test has laid out, so that real botocore runs.

It speaks HTTP, not SQS: a test gives the very answers, broken ones included, and reads back
the requests as they came over the wire.
"""

import json
import threading
from collections import defaultdict, deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One HTTP answer.

    ``hang`` gives none until the test is over, ``drop`` closes at once, ``cut`` closes in the
    middle of the body.
    """

    body: Any = field(default_factory=dict)
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = "application/x-amz-json-1.0"
    hang: bool = False
    drop: bool = False
    cut: bool = False

    def content(self) -> bytes:
        text = self.body if isinstance(self.body, str) else json.dumps(self.body)
        return text.encode()


def refusal(code: str, message: str = "no", *, status: int = 400, query_code: str = "") -> Answer:
    """Return AWS's error answer; ``query_code`` adds the older spelling that SQS sends too."""
    headers = {"x-amzn-RequestId": "request-1"}
    if query_code:
        headers["x-amzn-query-error"] = f"{query_code};Sender"
    return Answer(
        status=status,
        headers=headers,
        body={"__type": f"com.amazonaws.sqs#{code}", "message": message},
    )


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One request as it came."""

    operation: str
    parameters: dict[str, Any]
    headers: Mapping[str, str]

    @property
    def access_key_id(self) -> str:
        return self.headers["Authorization"].split("Credential=")[1].split("/")[0]


#: S3 names no operation; of those that we use, each has a method of its own.
_OF_S3 = {"GET": "GetObject", "PUT": "PutObject", "POST": "DeleteObjects"}
_OF_A_BUCKET = {
    "HEAD": "HeadBucket",
    "PUT": "CreateBucket",
    "GET ?lifecycle": "GetBucketLifecycleConfiguration",
    "PUT ?lifecycle": "PutBucketLifecycleConfiguration",
    "GET ?policy": "GetBucketPolicy",
    "POST ?delete": "DeleteObjects",
}


class CannedAws:
    """Answers by operation, in the order laid out; the last one is given again and again."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.over = threading.Event()
        self.url = ""
        self._answers: defaultdict[str, deque[Answer]] = defaultdict(deque)
        self._lock = threading.Lock()

    def answer(self, operation: str, *answers: Answer) -> None:
        self._answers[operation] = deque(answers)

    def parameters(self, operation: str) -> list[dict[str, Any]]:
        return [asked.parameters for asked in self.asked if asked.operation == operation]

    def next_answer(self, asked: Asked) -> Answer:
        with self._lock:
            self.asked.append(asked)
            answers = self._answers[asked.operation]
            if not answers:
                return refusal("UnknownOperationException", f"nothing laid out: {asked.operation}")
            return answers[0] if len(answers) == 1 else answers.popleft()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    aws: CannedAws

    def do_POST(self) -> None:
        answer = self.aws.next_answer(self._asked())
        if answer.hang:
            self.aws.over.wait()
        if answer.hang or answer.drop:
            self.close_connection = True
            return
        content = answer.content()
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if answer.cut:
            self.close_connection = True
            content = content[: len(content) // 2]
        self.wfile.write(content)

    def do_GET(self) -> None:
        self.do_POST()

    def do_PUT(self) -> None:
        self.do_POST()

    def do_HEAD(self) -> None:
        self.do_POST()

    def _of_s3(self) -> str:
        path, mark, query = self.path.partition("?")
        if path.count("/") > 1:
            return _OF_S3[self.command]
        return _OF_A_BUCKET[f"{self.command} {mark}{query}".rstrip()]

    def log_message(self, *_: Any) -> None:
        """Say nothing on stderr."""

    def _asked(self) -> Asked:
        text = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        target = self.headers.get("X-Amz-Target", "")
        parameters: dict[str, Any]
        if "Action=" in text or target:
            parameters = json.loads(text) if target else dict(parse_qsl(text))
            operation = target.rpartition(".")[2] or parameters["Action"]
        else:
            parameters, operation = {"path": self.path, "text": text}, self._of_s3()
        return Asked(operation=operation, parameters=parameters, headers=dict(self.headers))


@contextmanager
def serving() -> Iterator[CannedAws]:
    aws = CannedAws()
    handler = type("Handler", (_Handler,), {"aws": aws})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    aws.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield aws
    finally:
        aws.over.set()
        server.shutdown()
        thread.join()
        server.server_close()
