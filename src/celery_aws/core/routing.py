"""Which queues a message goes to: bindings, and how each kind of exchange matches them.

Facts: "AMQP 0-9-1 Model Explained" (rabbitmq.com), and the specification's section 3.1.3: words of
a topic are separated by dots, ``*`` is one word, ``#`` is none or more. kombu's own regular
expression (kombu/transport/virtual/exchange.py ``key_to_pattern``) takes ``#`` for one or more.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from celery_aws.names import AmqpQueue, InboxId, QueueUrl

ExchangeKind: TypeAlias = Literal["direct", "topic", "fanout"]

KINDS: tuple[ExchangeKind, ...] = get_args(ExchangeKind)


@dataclass(frozen=True, kw_only=True)
class Binding:
    """One queue bound to one exchange by one key.

    Attributes:
        exchange: its name; the empty one is AMQP's default exchange.
        kind: of the exchange, as whoever bound the queue declared it.
        queue: Celery's name of the queue.
        routing_key: the binding key.
        inbox: of the process that has the queue in memory; None if it is a queue on SQS.
        inbox_url: where that is.
        token: which of the queues of that name in the inbox it is; a queue that is declared anew is
            another one.
    """

    exchange: str
    kind: ExchangeKind
    queue: AmqpQueue
    routing_key: str
    inbox: InboxId | None = None
    inbox_url: QueueUrl | None = None
    token: str | None = None

    @property
    def transient(self) -> bool:
        """True if the queue is in some process's memory."""
        return self.inbox is not None


def matches(kind: ExchangeKind, binding_key: str, routing_key: str) -> bool:
    """Tell whether a message with ``routing_key`` goes through a binding.

    Args:
        kind: of the exchange.
        binding_key: what the queue was bound with.
        routing_key: what the message was published with.
    """
    if kind == "fanout":
        return True
    if kind == "direct":
        return binding_key == routing_key
    return _topic_matches(_words(binding_key), _words(routing_key))


def targets(
    bindings: Iterable[Binding],
    routing_key: str,
    *,
    choose: Callable[[Sequence[Binding]], Binding],
) -> list[Binding]:
    """Return where a message goes, each queue once.

    Queues of one name in several processes are one queue to a direct exchange: one of them gets the
    message, as one consumer of a shared queue does. To the others each is a queue of its own: two
    workers of one name hear the same commands.

    Args:
        bindings: of the exchange.
        routing_key: of the message.
        choose: picks one of several; ``random.choice`` spreads the messages.
    """
    found: dict[tuple[AmqpQueue, InboxId | None, str | None], Binding] = {}
    for binding in bindings:
        if matches(binding.kind, binding.routing_key, routing_key):
            # With the token: of a queue that is gone, a binding may be left for a while.
            found.setdefault((binding.queue, binding.inbox, binding.token), binding)
    shared: dict[AmqpQueue, list[Binding]] = {}
    chosen: list[Binding] = []
    for binding in found.values():
        if binding.kind == "direct" and binding.transient:
            shared.setdefault(binding.queue, []).append(binding)
        else:
            chosen.append(binding)
    return [*chosen, *(choose(several) for several in shared.values())]


def _words(key: str) -> list[str]:
    return key.split(".") if key else []


def _topic_matches(pattern: Sequence[str], words: Sequence[str]) -> bool:
    # Whether the first so many words match what was seen of the pattern.
    reached = [True, *(False for _ in words)]
    for part in pattern:
        if part == "#":
            first = reached.index(True) if True in reached else len(reached)
            reached = [index >= first for index in range(len(reached))]
        else:
            step = (
                before and part in ("*", word) for before, word in zip(reached, words, strict=False)
            )
            reached = [False, *step]
    return reached[-1]
