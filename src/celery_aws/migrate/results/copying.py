"""Copies all results of one backend into another, with the time that each has left.

From Redis to our table, or back. Nothing is taken away where it was, nothing is written over what
is as far or further there, so it may be ended anywhere and run again, beside workers and clients of
both sides, and a second run writes nothing.
"""

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import Any, TypeVar

from celery_aws.clock import Clock, SystemClock
from celery_aws.errors import UnsupportedError
from celery_aws.migrate.results.back_to_redis import BackToRedis
from celery_aws.migrate.results.chord_moves import ChordMoves, Moved
from celery_aws.migrate.results.found import answering, redis_backend
from celery_aws.migrate.results.into_ours import IntoOurs
from celery_aws.migrate.results.our_results import OurResults
from celery_aws.migrate.results.redis_chords import MOVED, RETURNED, SIZE, RedisChords
from celery_aws.migrate.results.redis_results import Kind, RedisResults
from celery_aws.migrate.results.tally import ResultTally
from celery_aws.results import our_backend
from celery_aws.results.chord_items import is_done

#: Keys of one batch.
BATCH = 100

#: Of the keys of a chord in flight: its size, before and after it was closed, and parts that came
#: after that.
_OPEN_SUFFIXES = (SIZE, SIZE + MOVED, RETURNED)

T = TypeVar("T")

Progress = Callable[[ResultTally], Any]


def copy_results(
    old_app: Any,
    new_app: Any,
    *,
    threads: int = 4,
    rate: float | None = None,
    progress: Progress | None = None,
    chords: bool = False,
    back: bool = False,
    clock: Clock | None = None,
) -> ResultTally:
    """Copy the results of one app's backend into that of another.

    Args:
        old_app: the app whose results they are. Its backend is Celery's on Redis, or ours.
        new_app: the app that is to have them: the other of the two.
        threads: how many copy at the same time.
        rate: results a second at most, all threads together; None is as fast as may be.
        progress: is called with what has been done so far, now and then.
        chords: whether chords in flight in Redis are moved too. Only once every worker has
            ``celery_aws.migrate:ResultBackend`` (:mod:`celery_aws.migrate.results.chord_moves`);
            until they are moved they are ended where they are.
        back: which way it is where both apps have that backend: from our table into Redis.
        clock: instead of the machine's, for tests.

    Raises:
        UnsupportedError: the backends are others. The backend that reads both
            (``celery_aws.migrate:ResultBackend``) reads old results until they expire.
        AwsError: AWS or Redis did not answer, or AWS refused. What was copied stays, and is passed
            over by the next run.
        ConfigurationError: Redis refused.

    Costs, into our table: a BatchGetItem for each 100 results, in read units the size of what is
    there; and a PutItem for each that is not, in write units its size. Out of it: one Scan of the
    table.
    """
    clock = SystemClock() if clock is None else clock
    way = _way(old_app, new_app, clock, back=back)
    with answering(way.redis):
        tally = copy_batches(
            way.copy, way.states(), threads=threads, rate=rate, progress=progress, clock=clock
        )
        ends: Counter[Moved] = Counter()
        if chords and way.moves is not None:
            ends.update(way.moves.move(each) for each in way.chords)
        left = way.in_flight(list(way.chords))
    return tally + ResultTally(chords=ends[Moved.HERE], chords_left=left + ends[Moved.STUCK])


class _Way:
    """From where to where.

    Args:
        redis: Celery's backend, one end of it.
        copy: copies a batch.
        found: all that is there.
        is_open: whether one of a chord's keys may be that of one in flight.
        in_flight: counts those of chords that are.
        moves: moves chords, where that can be done.

    Attributes:
        chords: ids of those that may be in flight, once all states have been read.
    """

    def __init__(
        self,
        redis: Any,
        copy: Callable[[Sequence[Any]], ResultTally],
        found: Iterable[Any],
        *,
        is_open: Callable[[Any], bool],
        in_flight: Callable[[Sequence[str]], int],
        moves: ChordMoves | None = None,
    ) -> None:
        self.redis = redis
        self.copy = copy
        self.in_flight = in_flight
        self.moves = moves
        self.chords: dict[str, None] = {}
        self._found = found
        self._is_open = is_open

    def states(self) -> Iterator[Any]:
        """Yield what is to be copied: tasks and groups."""
        for each in self._found:
            if each.kind is not Kind.CHORD:
                yield each
            elif self._is_open(each):
                self.chords[each.id] = None


def _way(old_app: Any, new_app: Any, clock: Clock, *, back: bool) -> _Way:
    # Where both have the backend that reads two, either would do.
    ways = (_back, _there) if back else (_there, _back)
    for way in ways:
        found = way(old_app, new_app, clock)
        if found is not None:
            return found
    raise UnsupportedError(
        f"results are not copied from {old_app.backend.as_uri()} to {new_app.backend.as_uri()}: "
        "only from redis:// to aws+dynamodb:// and back. Let celery_aws.migrate:ResultBackend "
        "read both until the old ones have expired"
    )


def _there(old_app: Any, new_app: Any, clock: Clock) -> _Way | None:
    theirs, ours = redis_backend(old_app), our_backend(new_app)
    if theirs is None or ours is None:
        return None
    results, chords = RedisResults(theirs, clock), RedisChords(theirs)
    return _Way(
        theirs,
        IntoOurs(results, ours).copy,
        results.found(),
        is_open=lambda key: key.suffix in _OPEN_SUFFIXES,
        in_flight=lambda group_ids: len(chords.in_flight(group_ids)),
        moves=ChordMoves(chords, ours),
    )


def _back(old_app: Any, new_app: Any, _: Clock) -> _Way | None:
    ours, theirs = our_backend(old_app), redis_backend(new_app)
    if theirs is None or ours is None:
        return None
    return _Way(
        theirs,
        BackToRedis(ours, theirs).copy,
        OurResults(ours).found(),
        is_open=lambda found: not is_done(found.item),
        in_flight=len,
    )


def copy_batches(
    copy: Callable[[Sequence[T]], ResultTally],
    found: Iterable[T],
    *,
    threads: int,
    rate: float | None,
    progress: Progress | None,
    clock: Clock,
) -> ResultTally:
    """Hand what is found to threads, in batches, and return what all of them have done.

    The first error ends it, once the batches under way have ended.
    """
    tally = ResultTally()
    under_way: deque[Future[ResultTally]] = deque()

    def end_one() -> None:
        nonlocal tally
        tally += under_way.popleft().result()
        if progress is not None:
            progress(tally)

    with ThreadPoolExecutor(threads, thread_name_prefix="celery-aws-results") as pool:
        for batch in paced(_batches(found), rate, clock):
            under_way.append(pool.submit(copy, batch))
            # Not more: what is found is kept in memory, and an error shall be heard of.
            if len(under_way) >= 2 * threads:
                end_one()
        while under_way:
            end_one()
    return tally


def paced(
    batches: Iterable[Sequence[T]], rate: float | None, clock: Clock
) -> Iterator[Sequence[T]]:
    """Yield batches so that no more than ``rate`` entries a second come out of it."""
    due = clock.monotonic()
    for batch in batches:
        wait_seconds = due - clock.monotonic()
        if wait_seconds > 0:
            clock.sleep(wait_seconds)
        yield batch
        if rate is not None:
            due = max(due, clock.monotonic() - 1.0) + len(batch) / rate


def _batches(found: Iterable[T]) -> Iterator[list[T]]:
    rest = iter(found)
    while batch := list(islice(rest, BATCH)):
        yield batch
