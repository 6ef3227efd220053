"""What a broker has to be able to do, to be left or to be entered.

Each thread of a run has a source and a target of its own: connections are not shared.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from celery_aws.migrate.messages import Answer, Carried, Message


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A message that is ours: no worker of the source gets it any more while we live.

    Attributes:
        message: what it is.
        handle: what its source settles it by; nobody else looks into it.
        seen_before: it was claimed before, by us or by somebody else: the journal may know it.
        revoked: its source knows that its task was revoked.
    """

    message: Message
    handle: Any
    seen_before: bool = False
    revoked: bool = False


class Source(Protocol):
    """The broker that is left. Killed at any time, it has lost nothing."""

    def recover(self, most: int) -> Sequence[Claim]:
        """Return up to ``most`` messages that an earlier run had claimed and not committed.

        None when there are no more. They are claimed as those of :meth:`claim` are.
        """

    def claim(self, most: int) -> Sequence[Claim]:
        """Take up to ``most`` messages that wait, those first that a worker would get first.

        None when nothing waits now.
        """

    def sending(self, claims: Sequence[Claim]) -> None:
        """Hear that these go to the target now: workers of the source must not get them any more.

        Only :meth:`give_back` may let them, as nobody else knows that the target has none.
        """

    def leave(self, claims: Sequence[Claim]) -> bool:
        """Have these claimed again later, by this run or the next: the target may have them.

        Returns:
            False if they cannot stay claimed, so that they were given back.
        """

    def commit(self, claims: Sequence[Claim]) -> None:
        """Let the source forget these; again, too, without an error."""

    def give_back(self, claims: Sequence[Claim]) -> None:
        """Let the source's workers have these again, as the next ones."""

    def close(self) -> None:
        """Give back what is claimed and not on its way, and close the connection."""


def left_behind(source: Source) -> int:
    """Return how many messages a source has met and not handed out.

    They wait in a delay of the broker's (RabbitMQ's), and are for no queue of this run. Other
    sources have none.
    """
    left: Mapping[str, int] = getattr(source, "left", {})
    return sum(left.values())


class Target(Protocol):
    """The broker that is entered."""

    def send(self, messages: Sequence[Carried]) -> Sequence[Answer]:
        """Send messages, and return what became of each, in their order.

        Raises:
            CeleryAwsError: none was sent, and trying again does not help: a right is missing, or a
                queue. What may pass is :class:`~celery_aws.migrate.messages.Unsent`.
        """

    def close(self) -> None:
        """Close the connection."""
