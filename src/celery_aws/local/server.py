"""An AWS on this machine, for development and tests: SQS, DynamoDB, S3, IAM and some more.

It is the ``ministack`` package (extra ``local``) in a process of its own, on loopback only: it
checks no credentials unless asked to. It must never be taken for a durable store, nor for AWS
where the two differ: ministack accepts delays, visibility timeouts and purges that AWS refuses.
"""

import fcntl
import http.client
import importlib.util
import os
import signal
import socket
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Final

from celery_aws.errors import ConfigurationError, ProcessFailedError, UnsupportedError
from celery_aws.local import environment
from celery_aws.local.output import ProcessOutput, spawn

if TYPE_CHECKING:
    from typing_extensions import Self

_PROGRAM: Final = Path(__file__).with_name("_serve.py")

#: Seconds for the end, state written; then it is killed.
STOP_SECONDS: Final = 10.0

#: Seconds to read what an ended process has written last.
_LAST_WORDS_SECONDS: Final = 2.0

#: Connections that may wait while it starts.
_BACKLOG: Final = 128

_LAST_PORT: Final = 65_535


class LocalAws:
    """A local AWS with a start and a stop, both idempotent; also a context manager.

    It ends by itself when this process ends, killed or not. Start and stop it in one thread.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        data_dir: str | os.PathLike[str] | None = None,
        auth: bool = False,
        region: str = "us-east-1",
        start_timeout_seconds: float = 30.0,
    ) -> None:
        """Take the settings; nothing is started.

        Args:
            port: to listen on at 127.0.0.1; 0 takes a free one, another at each start.
            data_dir: folder to keep state in, made if missing, used by one server at a time;
                None keeps it in memory. It is read at the start and written at the end, so a
                ``kill -9`` of the server loses what happened in between.
            auth: check signatures, and enforce IAM policies for all but the root key pair.
            region: of the variables in :meth:`environment`.
            start_timeout_seconds: how long the start may take.
        """
        self._wanted_port = port
        self._data_dir = None if data_dir is None else Path(data_dir).absolute()
        self._auth = auth
        self._region = region
        self._start_timeout_seconds = start_timeout_seconds
        self._port: int | None = None
        self._process: subprocess.Popen[str] | None = None
        self._output: ProcessOutput | None = None

    @property
    def running(self) -> bool:
        """True while the server process lives."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int | None:
        """Pid of the server process, or None."""
        return None if self._process is None else self._process.pid

    @property
    def port(self) -> int:
        """The port that it listens on.

        Raises:
            ProcessFailedError: it was not started.
        """
        if self._port is None:
            raise ProcessFailedError("the local AWS was not started: call start() first")
        return self._port

    @property
    def endpoint_url(self) -> str:
        """The endpoint for boto3, such as ``http://127.0.0.1:4566``."""
        return f"http://{environment.LOOPBACK}:{self.port}"

    @property
    def output(self) -> str:
        """What the server has written: warnings and errors only."""
        return "" if self._output is None else self._output.text

    def environment(self, *, table: str = "celery") -> dict[str, str]:
        """Return the environment variables that make boto3 and Celery use this AWS.

        Args:
            table: name of the results table in ``CELERY_RESULT_BACKEND``.

        Returns:
            Variables to add to a process' environment, or to ``os.environ``: credentials,
            region, ``AWS_ENDPOINT_URL``, ``CELERY_BROKER_URL``, ``CELERY_RESULT_BACKEND``.
        """
        return environment.client_environment(
            os.environ, port=self.port, region=self._region, table=table
        )

    def start(self) -> None:
        """Start the server, unless it runs, and wait until it answers (0.3 s or so).

        Raises:
            UnsupportedError: ministack is not installed.
            ConfigurationError: the port or the data folder is in use, or not allowed.
            ProcessFailedError: it ended at once, or did not answer in time.
        """
        if self.running:
            return
        _demand_ministack()
        with ExitStack() as held:
            listener = held.enter_context(_listen(self._wanted_port))
            inherited = [listener.fileno()]
            if self._data_dir is not None:
                inherited.append(held.enter_context(_locked(self._data_dir)).fileno())
            self._port = listener.getsockname()[1]
            self._process, self._output = self._spawn(listener.fileno(), inherited)
        # Only the server holds the socket now: if it dies, a client is refused at once.
        self._wait_until_it_answers()

    def stop(self) -> None:
        """End the server, unless it has ended, and wait: state is written, nothing is left.

        Raises:
            ProcessFailedError: it did not end in time and was killed; state may be lost.
        """
        process = self._process
        if process is None:
            return
        self._process = None
        killed = False
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                killed = True
                process.kill()
                process.wait()
        self._read_last_words()
        if killed:
            raise self._failed(f"the local AWS did not end within {STOP_SECONDS:g} s; killed")

    def wait(self) -> int:
        """Wait until the server ends by itself, which it does not do, and return its exit code."""
        return 0 if self._process is None else self._process.wait()

    def reset(self) -> None:
        """Delete every queue, table, bucket and user, in the data folder as well.

        Raises:
            ProcessFailedError: it does not run, or did not answer.
        """
        try:
            status = self._request("POST", "/_ministack/reset")
        except OSError as error:
            raise self._failed("the local AWS does not answer") from error
        if status != http.HTTPStatus.OK:
            raise self._failed(f"the local AWS could not be reset (HTTP {status})")

    def __enter__(self) -> "Self":
        self.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def _spawn(
        self, descriptor: int, inherited: list[int]
    ) -> tuple["subprocess.Popen[str]", ProcessOutput]:
        command = [sys.executable, str(_PROGRAM)]
        command += ["--socket", str(descriptor), "--parent", str(os.getpid())]
        variables = environment.server_environment(
            os.environ,
            port=self.port,
            region=self._region,
            data_dir=self._data_dir,
            auth=self._auth,
        )
        return spawn("local-aws", command, variables, descriptors=inherited)

    def _wait_until_it_answers(self) -> None:
        # The socket listens already: the request waits in its queue until the server has
        # started, and fails at once if it has ended instead.
        try:
            status = self._request("GET", "/_ministack/health", self._start_timeout_seconds)
            problem = None if status == http.HTTPStatus.OK else f"answered with HTTP {status}"
        except TimeoutError:
            problem = f"did not answer within {self._start_timeout_seconds:g} s"
        except (OSError, http.client.HTTPException):
            problem = "ended while it started"
        if problem is not None:
            self.stop()
            raise self._failed(f"the local AWS {problem}")

    def _request(self, method: str, path: str, timeout_seconds: float = 10.0) -> int:
        # Not urllib: it would go through the proxy of the environment.
        connection = http.client.HTTPConnection(
            environment.LOOPBACK, self.port, timeout=timeout_seconds
        )
        try:
            connection.request(method, path)
            response = connection.getresponse()
            response.read()
            return response.status
        finally:
            connection.close()

    def _read_last_words(self) -> None:
        if self._output is not None:
            self._output.stop(_LAST_WORDS_SECONDS)

    def _failed(self, problem: str) -> ProcessFailedError:
        return ProcessFailedError(
            problem, output="" if self._output is None else self._output.tail()
        )


def _demand_ministack() -> None:
    if importlib.util.find_spec("ministack") is None:
        raise UnsupportedError(
            'the local AWS needs the package ministack: pip install "celery-aws[local]"'
        )


def _listen(port: int) -> socket.socket:
    if not 0 <= port <= _LAST_PORT:
        raise ConfigurationError(f"port: {port} is not within 0 to {_LAST_PORT}", where="port")
    try:
        return socket.create_server((environment.LOOPBACK, port), backlog=_BACKLOG)
    except OSError as error:
        raise ConfigurationError(
            f"port: {environment.LOOPBACK}:{port} cannot be listened on ({error.strerror}). "
            "Take another port, or 0 for a free one",
            where="port",
        ) from error


def _locked(data_dir: Path) -> IO[str]:
    """Return the folder's lock file, locked; the lock lives as long as the server has it open."""
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        lock = (data_dir / "lock").open("w")
    except OSError as error:
        raise ConfigurationError(f"data_dir: {error}", where="data_dir") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.close()
        raise ConfigurationError(
            f"data_dir: another local AWS keeps its state in {data_dir}. Take another folder, "
            "or stop the other server",
            where="data_dir",
        ) from error
    return lock
