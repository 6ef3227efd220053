"""RabbitMQ's HTTP API: what AMQP does not tell, read only.

Never asked for messages, which would deliver and requeue them. Facts: rabbitmq.com/docs/http-api-
reference; ``columns`` keeps answers small.
"""

import base64
import http.client
import json
import ssl
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from celery_aws.errors import CeleryAwsError
from celery_aws.migrate.old_app import address

#: A port that a firewall swallows costs this much.
_TIMEOUT_SECONDS = 3.0

_QUEUE_COLUMNS = (
    "name,type,arguments,exclusive,auto_delete,messages_unacknowledged,message_bytes_ready,"
    "effective_policy_definition"
)


class ManagementError(CeleryAwsError):
    """The HTTP API does not answer, or does not say what was asked for.

    Attributes:
        address: of it, without secrets.
        status: of its answer; None if there was none.
    """

    def __init__(self, address: str, problem: str, *, status: int | None = None) -> None:
        super().__init__(
            f"RabbitMQ's HTTP API at {address}: {problem}. Check --management-url, and that the "
            "user has the tag monitoring or management"
        )
        self.address = address
        self.status = status


class Management:
    """The HTTP API for one virtual host.

    Args:
        url: with user and password, such as ``http://guest:guest@host:15672``.
        virtual_host: of the queues.
        context: of TLS; None for the machine's certificate authorities.
    """

    def __init__(
        self, url: str, virtual_host: str, *, context: ssl.SSLContext | None = None
    ) -> None:
        self._url = urlsplit(url)
        self._context = context
        self._virtual_host = quote(virtual_host, safe="")
        #: Where it is, without secrets.
        self.address = address(url)

    def version(self) -> str:
        """Return RabbitMQ's version.

        Raises:
            ManagementError: it cannot be asked.
        """
        return str(self._asked("overview?columns=rabbitmq_version").get("rabbitmq_version", ""))

    def queues(self) -> Sequence[Mapping[str, Any]]:
        """Return all queues, with what is in them as of some seconds ago.

        Raises:
            ManagementError: it cannot be asked.
        """
        asked = self._asked(f"queues/{self._virtual_host}?columns={_QUEUE_COLUMNS}")
        return list(asked)

    def exchanges(self) -> Sequence[Mapping[str, Any]]:
        """Return name and type of all exchanges.

        Raises:
            ManagementError: it cannot be asked.
        """
        return list(self._asked(f"exchanges/{self._virtual_host}?columns=name,type"))

    def bindings(self) -> Sequence[Mapping[str, Any]]:
        """Return all bindings, of queues and of exchanges.

        Raises:
            ManagementError: it cannot be asked.
        """
        return list(self._asked(f"bindings/{self._virtual_host}"))

    def _asked(self, path: str) -> Any:
        connection = self._connection()
        try:
            connection.request("GET", f"{self._url.path.rstrip('/')}/api/{path}", None, self._who())
            answer = connection.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise ManagementError(self.address, f"{type(error).__name__}: {error}") from error
        finally:
            connection.close()
        if answer.status != http.HTTPStatus.OK:
            problem = f"{answer.status} {answer.reason}"
            raise ManagementError(self.address, problem, status=answer.status)
        try:
            return json.loads(content)
        except ValueError as error:
            raise ManagementError(self.address, "its answer is no JSON") from error

    def _connection(self) -> http.client.HTTPConnection:
        host, port = self._url.hostname or "", self._url.port
        if self._url.scheme == "https":
            context = self._context or ssl.create_default_context()
            return http.client.HTTPSConnection(
                host, port, timeout=_TIMEOUT_SECONDS, context=context
            )
        return http.client.HTTPConnection(host, port, timeout=_TIMEOUT_SECONDS)

    def _who(self) -> dict[str, str]:
        user, password = unquote(self._url.username or ""), unquote(self._url.password or "")
        credentials = base64.b64encode(f"{user}:{password}".encode()).decode("ascii")
        return {"Authorization": f"Basic {credentials}"}
