"""What else is in the database, and what the operator has to know of it. Pure."""

from collections import Counter

from celery_aws.migrate.inventory import OtherKeys
from celery_aws.migrate.redis.entries import HeldEntry
from celery_aws.migrate.redis.kinds import Kind

_FOUND = {
    Kind.CONTROL: OtherKeys(
        kind="control",
        count=0,
        example="",
        note="Remote control, events and replies: they are for processes that wait for them now, "
        "and are not moved. Nothing to do",
    ),
    Kind.BINDING: OtherKeys(
        kind="binding",
        count=0,
        example="",
        note="Which queues exchanges lead to: new workers bind their own. Nothing to do",
    ),
    Kind.SCHEDULE: OtherKeys(
        kind="schedule",
        count=0,
        example="",
        note="Periodic tasks of redbeat: they are not moved. Stop its beat first, then put the "
        "schedule into beat_schedule of the new app, or keep a Redis for redbeat_redis_url",
        blocks=True,
    ),
    Kind.LOCK: OtherKeys(
        kind="lock",
        count=0,
        example="",
        note="Locks of celery-once: they are not moved, and end by themselves or with their task. "
        "Leave ONCE's Redis running, or give the new app another backend for it; a task that is "
        "locked here can be queued there again",
        blocks=True,
    ),
    Kind.OPEN: OtherKeys(
        kind="unknown",
        count=0,
        example="",
        note="No queue, result or schedule that is known here: not moved. Find out whose they are "
        "before this Redis is switched off",
        blocks=True,
    ),
}


class Others:
    """The keys that are not moved, by what they are."""

    def __init__(self) -> None:
        self._counts: Counter[Kind] = Counter()
        self._examples: dict[Kind, str] = {}
        self._strays: list[str] = []

    def add(self, kind: Kind, name: str) -> None:
        """Note a key."""
        self._counts[kind] += 1
        self._examples.setdefault(kind, name.encode(errors="replace").decode())

    def add_stray(self, tag: str, entry: HeldEntry | None) -> None:
        """Note what a worker holds, and what belongs to no queue."""
        where = "unreadable" if entry is None else f"{entry.exchange}/{entry.routing_key}"
        self._strays.append(f"{tag} ({where})")

    def found(self) -> tuple[OtherKeys, ...]:
        """Return what was noted."""
        found = [
            OtherKeys(
                kind=words.kind,
                count=self._counts[kind],
                example=self._examples[kind],
                note=words.note,
                blocks=words.blocks,
            )
            for kind, words in _FOUND.items()
            if self._counts[kind]
        ]
        return (*found, *self._held())

    def _held(self) -> tuple[OtherKeys, ...]:
        if not self._strays:
            return ()
        return (
            OtherKeys(
                kind="unacked",
                count=len(self._strays),
                example=self._strays[0],
                note="Workers hold messages that lead to no queue: their exchange has no binding, "
                "or nobody can read them. kombu would drop them instead of giving them back. Let "
                "the workers finish them, or start one that binds the exchange",
                blocks=True,
            ),
        )
