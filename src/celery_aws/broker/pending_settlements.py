"""Settlements that wait for company; the acker asks for ten of one queue and kind together."""

from collections import Counter, deque
from typing import TypeAlias

from celery_aws.broker.settlement import Settlement
from celery_aws.limits import SQS_BATCH_ENTRIES
from celery_aws.names import QueueUrl

#: What can share a request: of one queue all deletes, all give-backs or all with errands.
_Kind: TypeAlias = tuple[QueueUrl, bool, bool]


class PendingSettlements:
    """What is to be settled, in the order of submission; the owner has the lock."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[float, _Kind, Settlement]] = deque()
        self._of_kind: Counter[_Kind] = Counter()
        self._full = False

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def full(self) -> bool:
        """True if there is a whole request's worth of one kind."""
        return self._full

    @property
    def since(self) -> float:
        """When the oldest was submitted; there is one."""
        return self._waiting[0][0]

    def add(self, settlement: Settlement, now: float) -> bool:
        """Add one more.

        Returns:
            True if that changes what there is to do: it is the first, or fills a request.
        """
        kind = _kind(settlement)
        self._waiting.append((now, kind, settlement))
        self._of_kind[kind] += 1
        filled = self._of_kind[kind] % SQS_BATCH_ENTRIES == 0
        self._full = self._full or filled
        return filled or len(self._waiting) == 1

    def take_all(self) -> list[Settlement]:
        """Take out everything."""
        taken = [settlement for _, _, settlement in self._waiting]
        self._waiting.clear()
        self._of_kind.clear()
        self._full = False
        return taken

    def take_full(self) -> list[Settlement]:
        """Take out what fills whole requests; the rest goes on waiting."""
        room = {kind: n - n % SQS_BATCH_ENTRIES for kind, n in self._of_kind.items()}
        taken: list[Settlement] = []
        rest: deque[tuple[float, _Kind, Settlement]] = deque()
        for each in self._waiting:
            _, kind, settlement = each
            if room[kind]:
                room[kind] -= 1
                taken.append(settlement)
            else:
                rest.append(each)
        self._waiting = rest
        self._of_kind = Counter(kind for _, kind, _ in rest)
        self._full = False
        return taken


def _kind(settlement: Settlement) -> _Kind:
    return (
        settlement.receipt.address.url,
        settlement.visible_in_seconds is None,
        settlement.errand is None,
    )
