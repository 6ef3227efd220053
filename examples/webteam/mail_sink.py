"""A mail server on loopback that keeps what it gets; stands for the team's real one."""

import asyncio
import threading
from email import message_from_bytes
from email.message import Message
from typing import TYPE_CHECKING, Any

from aiosmtpd.smtp import SMTP

if TYPE_CHECKING:
    from typing_extensions import Self


class MailSink:
    """Takes mails at ``address`` while the ``with`` lasts."""

    def __init__(self) -> None:
        self.mails: list[Message] = []
        self._loop = asyncio.new_event_loop()
        self._server = self._loop.run_until_complete(
            self._loop.create_server(lambda: SMTP(self), host="127.0.0.1", port=0)
        )
        host, port = self._server.sockets[0].getsockname()
        self.address = f"{host}:{port}"
        self._thread = threading.Thread(target=self._loop.run_forever, name="mail-sink")

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802
        """Keep a mail; aiosmtpd's hook."""
        self.mails.append(message_from_bytes(envelope.content))
        return "250 kept"

    def __enter__(self) -> "Self":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._server.close()
        self._loop.close()
