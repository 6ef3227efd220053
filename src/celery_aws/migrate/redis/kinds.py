"""What a key is, by its name. Pure.

Facts: celery/backends/base.py and redis.py (``task_keyprefix``, ``get_key_for_group``,
``get_key_for_chord``), celery/app/control.py and kombu/pidbox.py (the mailbox's exchanges and its
reply queues), redbeat/schedulers.py (``redbeat_key_prefix``), celery_once/helpers.py (``qo_``).
"""

import enum
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from celery_aws.migrate.redis.layout import OURS, Layout


class Kind(enum.Enum):
    """What a key is."""

    #: Perhaps a list of messages; its type and content say so.
    OPEN = "open"
    #: The hash of what workers hold, its index and its lock.
    UNACKED = "unacked"
    #: To which queues an exchange leads.
    BINDING = "binding"
    #: Remote control and events: theirs are short-lived, and never moved.
    CONTROL = "control"
    #: Of a result backend in the same database.
    RESULT = "result"
    #: Of a scheduler of periodic tasks.
    SCHEDULE = "schedule"
    #: Of celery-once: a task must not run twice at a time.
    LOCK = "lock"
    #: Of a migration.
    OURS = "ours"


_RESULT = re.compile(r"celery-(task|taskset)-meta-|(^|[:_])chord-unlock-")

_REPLY = re.compile(r".+\.reply\..+\.pidbox")

#: What names a process that waits for replies, as a queue: rpc:// and remote control.
_PROCESS = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True, kw_only=True)
class KeyNames:
    """Names that an app's settings give to keys.

    Attributes:
        layout: of the broker.
        control_exchange: the setting ``control_exchange``.
        event_prefix: the setting ``event_queue_prefix``.
        schedule_prefix: the setting ``redbeat_key_prefix``.
    """

    layout: Layout
    control_exchange: str = "celery"
    event_prefix: str = "celeryev"
    schedule_prefix: str = "redbeat:"

    def kind_of(self, name: str) -> Kind:
        """Return what a key is.

        Args:
            name: without the app's prefix.
        """
        if name.startswith(self.layout.binding.removesuffix(".")):
            return Kind.CONTROL if self._is_control(self._exchange_of(name)) else Kind.BINDING
        if self._is_control(name):
            return Kind.CONTROL
        return next((kind for kind, is_it in self._marks() if is_it(name)), Kind.OPEN)

    def _marks(self) -> Iterator[tuple[Kind, Callable[[str], object]]]:
        layout = self.layout
        unacked = (layout.unacked, layout.unacked_index, layout.unacked_mutex)
        yield Kind.UNACKED, lambda name: name in unacked
        yield Kind.OURS, lambda name: name.startswith(OURS)
        yield Kind.RESULT, _RESULT.search
        yield Kind.SCHEDULE, lambda name: name.startswith((self.schedule_prefix, "redbeat:"))
        yield Kind.LOCK, lambda name: name.startswith("qo_")

    def _exchange_of(self, name: str) -> str:
        return name.removeprefix(self.layout.binding.removesuffix(".")).partition(".")[2]

    def _is_control(self, name: str) -> bool:
        """Tell of an exchange, a queue or a list whether remote control or events have it."""
        mailbox = f"{self.control_exchange}.pidbox"
        queue = self.layout.split(name).queue
        return (
            queue in (mailbox, f"reply.{mailbox}", self.event_prefix)
            or queue.startswith(f"{self.event_prefix}.")
            or queue.endswith(f".{mailbox}")
            or _REPLY.fullmatch(queue) is not None
            or _PROCESS.fullmatch(queue) is not None
        )
