"""Results that do not fit into an item: kept elsewhere, read back, and cleaned up.

It knows pieces and objects; heads are written and read by
:class:`celery_aws.results.store.ResultStore`. What is cleaned up has been replaced or was never
shown, so a failure of that is one line in the log: in the table what is left expires, in S3 a
lifecycle rule sees to it.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from celery_aws.aws.dynamodb import TableService
from celery_aws.clock import Clock
from celery_aws.core.attributes import Item, binary_of, text_of
from celery_aws.core.backoff import Random
from celery_aws.core.large_results import (
    InItem,
    InPieces,
    LargeResult,
    Place,
    head_attributes,
    is_large,
    large_result_of,
    payload_of,
    piece_ids,
    pieces_for,
    shrunk,
    split,
)
from celery_aws.core.messages import S3Pointer
from celery_aws.errors import (
    AccessDeniedError,
    AwsError,
    BucketNotFoundError,
    CeleryAwsError,
    ConfigurationError,
    ObjectNotFoundError,
    ResultUnreadableError,
    TableNotFoundError,
    ThrottledError,
    UnreachableError,
)
from celery_aws.names import TableName
from celery_aws.results import items
from celery_aws.results.result_objects import ResultObjects
from celery_aws.table.batches import (
    DEADLINE_SECONDS,
    WAITS,
    delete_batches,
    read_batches,
    write_batches,
)

logger = logging.getLogger(__name__)

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Read:
    """What a look at large results brought.

    Attributes:
        payloads: by key.
        problems: why others are not there. Unless their heads have been replaced meanwhile, that is
            an error.
    """

    payloads: dict[bytes, bytes]
    problems: dict[bytes, CeleryAwsError]


@dataclass(frozen=True, kw_only=True)
class LargeResults:
    """What of one results table is not in the heads; holds no connection.

    Attributes:
        service: asks DynamoDB.
        table: where heads and pieces are.
        objects: in S3; without a bucket everything is kept in the table.
        clock: for waits.
        random: for their jitter.
        new_version: names the pieces of one write, as nobody else does.
    """

    service: TableService
    table: TableName
    objects: ResultObjects
    clock: Clock
    random: Random
    new_version: Callable[[], str]

    def keep(
        self,
        head: Item,
        payload: bytes,
        *,
        room_bytes: int,
        now: datetime,
        life_seconds: int | None,
    ) -> Item:
        """Keep a result, and return the head that shows it once it is written.

        Args:
            head: the item, without the result.
            payload: the result.
            room_bytes: how much of it the head takes.
            now: the time of the write.
            life_seconds: of the head; None is for ever.

        Raises:
            AwsError: AWS refused; then nothing is left of it, unless AWS does not answer.

        Costs nothing if the result fits compressed. Else one PutObject if there is a bucket, or
        one BatchWriteItem for each 25 pieces.
        """
        content, is_compressed = shrunk(payload)
        place = self._new_place(content, room_bytes)
        large = LargeResult(payload_bytes=len(payload), is_compressed=is_compressed, place=place)
        shown = {**head, **head_attributes(large)}
        if isinstance(place, S3Pointer):
            self.objects.put(place, content)
        elif isinstance(place, InPieces):
            try:
                self._write_pieces(_id(head), place, content, now, life_seconds)
            except (TableNotFoundError, UnreachableError):
                raise  # nobody is there to clean up with
            except AwsError:
                self.remove(shown)
                raise
        return shown

    def show(self, head: Item, put: Callable[[], T]) -> T:
        """Write a head, again and again while it is throttled.

        Who has just written many pieces may well be; and who gave up and stored the result once
        more would write them all again.

        Args:
            head: the item; any that shows no pieces and no object is put once.
            put: writes it.

        Raises:
            ThrottledError: it still was after :data:`DEADLINE_SECONDS`.
        """
        deadline = self.clock.monotonic() + DEADLINE_SECONDS
        is_apart = isinstance(_place(head), InPieces | S3Pointer)
        attempt = 0
        while True:
            try:
                return put()
            except ThrottledError:
                if not is_apart or self.clock.monotonic() >= deadline:
                    raise
            self.clock.sleep(WAITS.wait_seconds(attempt, self.random))
            attempt += 1

    def read(self, heads: Mapping[bytes, Item]) -> Read:
        """Return the results of heads, by key.

        Raises:
            AwsError: AWS does not answer, or refuses to read the table.

        Costs one BatchGetItem for each 100 pieces or 16 MB, all heads together, and one GetObject
        for each that is in S3.
        """
        shown = {key: _shown(key, head) for key, head in heads.items()}
        pieces = self._pieces(
            [
                piece_id
                for key, large in shown.items()
                if isinstance(large, LargeResult) and isinstance(large.place, InPieces)
                for piece_id in piece_ids(_id(heads[key]), large.place)
            ]
        )
        read = Read(payloads={}, problems={})
        for key, large in shown.items():
            if isinstance(large, LargeResult):
                got = self._payload(key, _id(heads[key]), large, pieces)
            else:
                got = large
            if isinstance(got, bytes):
                read.payloads[key] = got
            else:
                read.problems[key] = got
        return read

    def remove(self, unused: Item | None, *, unless_in: Item | None = None) -> None:
        """Delete what a head shows that nobody sees any more; what fails is only logged.

        Args:
            unused: a head that was replaced, deleted or never written; any other item does nothing.
            unless_in: what is stored now: if it shows the same, both are one write, of which an
                answer was lost.

        Costs nothing for a small result. Else one BatchWriteItem for each 25 pieces, in units as
        much as writing them, or one DeleteObjects.
        """
        place = _place(unused)
        if unused is None or place is None or place == _place(unless_in):
            return
        try:
            if isinstance(place, InPieces):
                keys = [items.id_item(each) for each in piece_ids(_id(unused), place)]
                delete_batches(self.service, self.table, keys, clock=self.clock, random=self.random)
            elif isinstance(place, S3Pointer):
                self.objects.remove(place)
        except CeleryAwsError as error:
            logger.warning("what is left of a large result is not deleted: %s", error)

    def _new_place(self, content: bytes, room_bytes: int) -> Place:
        if len(content) <= room_bytes:
            return InItem(content)
        return self.objects.new_pointer() or pieces_for(content, self.new_version())

    def _write_pieces(
        self,
        head_id: str,
        place: InPieces,
        content: bytes,
        now: datetime,
        head_life_seconds: int | None,
    ) -> None:
        pieces = [
            items.piece_item(piece_id, piece, now=now, head_life_seconds=head_life_seconds)
            for piece_id, piece in zip(piece_ids(head_id, place), split(content), strict=True)
        ]
        write_batches(self.service, self.table, pieces, clock=self.clock, random=self.random)

    def _pieces(self, ids: Sequence[str]) -> dict[str, bytes]:
        keys = [items.id_item(each) for each in ids]
        read = read_batches(self.service, self.table, keys, clock=self.clock, random=self.random)
        return {_id(piece): binary_of(piece, items.PIECE) or b"" for piece in read}

    def _payload(
        self, key: bytes, head_id: str, large: LargeResult, pieces: dict[str, bytes]
    ) -> bytes | CeleryAwsError:
        try:
            return payload_of(large, self._content(head_id, large.place, pieces))
        except (AccessDeniedError, BucketNotFoundError, ConfigurationError) as error:
            # Without s3:ListBucket, S3 denies access to an object that was deleted.
            return error
        except (ObjectNotFoundError, ValueError) as error:
            return _unreadable(key, error)

    def _content(self, head_id: str, place: Place, pieces: dict[str, bytes]) -> bytes:
        match place:
            case InItem(content):
                return content
            case InPieces():
                ids = piece_ids(head_id, place)
                missing = sum(each not in pieces for each in ids)
                if missing:
                    raise ValueError(f"{missing} of its {place.count} pieces are missing")
                return b"".join(pieces.pop(each) for each in ids)
            case S3Pointer():
                return self.objects.get(place)


def _id(item: Item) -> str:
    return text_of(item, items.ID) or ""


def _place(item: Item | None) -> Place | None:
    if item is None or not is_large(item):
        return None
    try:
        return large_result_of(item).place
    except ValueError:  # of a newer version, which knows how to clean it up
        return None


def _shown(key: bytes, head: Item) -> LargeResult | CeleryAwsError:
    try:
        return large_result_of(head)
    except ValueError as error:
        return _unreadable(key, error)


def _unreadable(key: bytes, problem: Exception) -> ResultUnreadableError:
    error = ResultUnreadableError(str(problem), key=repr(key))
    error.__cause__ = problem
    return error
