"""Which other runs have claimed messages in the same Redis: those that ended left them to us."""

from dataclasses import dataclass

from celery_aws.errors import RunIsAliveError
from celery_aws.migrate.redis.claims import LEASE_SECONDS, ClaimedList, claimed_list
from celery_aws.migrate.redis.owners import Owner, is_gone, owner_of
from celery_aws.migrate.redis.server import RedisServer


@dataclass(frozen=True, kw_only=True)
class OtherRun:
    """A run that has claimed something and not said goodbye.

    Attributes:
        lists: of what it has claimed.
        owner: its process; None if its sign of life has expired.
    """

    lists: tuple[ClaimedList, ...]
    owner: Owner | None


def registered_lists(server: RedisServer) -> list[ClaimedList]:
    """Return the lists of all runs. One command."""
    members = server.client.smembers(server.layout.registry)
    found = [claimed_list(member) for member in members]
    return sorted((each for each in found if each is not None), key=ClaimedList.member)


def lists_of(server: RedisServer, run: str) -> list[ClaimedList]:
    """Return the lists of one run. One command."""
    return [each for each in registered_lists(server) if each.run == run]


def other_runs(server: RedisServer, run: str) -> list[OtherRun]:
    """Return all runs but ``run``. Two commands."""
    by_run: dict[str, list[ClaimedList]] = {}
    for each in registered_lists(server):
        if each.run != run:
            by_run.setdefault(each.run, []).append(each)
    if not by_run:
        return []
    leases = server.client.mget([server.layout.lease(name) for name in by_run])
    return [
        OtherRun(lists=tuple(lists), owner=None if lease is None else owner_of(lease))
        for lists, lease in zip(by_run.values(), leases, strict=True)
    ]


def orphans(server: RedisServer, run: str, me: Owner) -> list[ClaimedList]:
    """Return the lists of runs that have ended. Two commands, and one if a run is alive.

    Raises:
        RunIsAliveError: a run of another process is, or was until less than a minute ago.
    """
    found: list[ClaimedList] = []
    for other in other_runs(server, run):
        if other.owner is None or is_gone(other.owner):
            found += other.lists
        elif other.owner != me:
            raise _alive(server, other)
    return found


def drop_run(server: RedisServer, empty: ClaimedList) -> None:
    """Forget a list of a run that has ended, and in which nothing is left."""
    with server.client.pipeline() as pipe:
        pipe.srem(server.layout.registry, empty.member())
        pipe.delete(server.layout.lease(empty.run))
        pipe.execute()


def _alive(server: RedisServer, other: OtherRun) -> RunIsAliveError:
    run, owner = other.lists[0].run, other.owner
    left = max(0.0, server.client.pttl(server.layout.lease(run)) / 1000)
    process = "" if owner is None else f" (process {owner.pid} on {owner.place.partition('/')[0]})"
    return RunIsAliveError(
        f"{server.source}: run {run}{process} takes messages from there, too, or did until less "
        f"than {LEASE_SECONDS} seconds ago. Stop it; if it was killed on another machine, try "
        f"again in {left:.0f} seconds",
        seconds_left=left,
    )
