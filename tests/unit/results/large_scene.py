"""A writer and a reader of large results, and a hand between any two of their requests."""

import base64
import json
import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from celery_aws.aws.s3 import ObjectFailure
from celery_aws.core.attributes import Item, text_of
from celery_aws.core.large_results import PIECES, VERSION
from celery_aws.names import BucketName, ObjectKey
from celery_aws.results.items import PIECE, table_spec
from celery_aws.results.result_objects import ResultObjects
from celery_aws.results.store import ResultStore
from celery_aws.testing.clock import FakeClock
from celery_aws.testing.memory_dynamodb import MemoryTableService
from celery_aws.testing.memory_s3 import MemoryS3
from tests.unit.results.conftest import TABLE
from tests.unit.results.test_store import KEY, a_store, status_of

BUCKET = BucketName("my-bucket")
PREFIX = "results/"
LIFE_SECONDS = 60

Intervention = Callable[[str], None]


def noise(size: int, seed: int = 0) -> bytes:
    """Return bytes that no compression makes smaller."""
    return random.Random(f"{size} {seed}").randbytes(size)


def meta(status: str, size: int, seed: int = 0) -> bytes:
    """Return an encoded meta of about this size, which compresses by a fifth."""
    text = base64.b85encode(noise(size * 4 // 5, seed)).decode()
    return json.dumps({"status": status, "result": text}).encode()


class Steps:
    """Lets something be done before each request; requests made by that are not steps."""

    def __init__(self) -> None:
        self.intervention: Intervention | None = None

    def before(self, operation: str) -> None:
        intervention, self.intervention = self.intervention, None
        if intervention is not None:
            try:
                intervention(operation)
            finally:
                self.intervention = intervention


class SteppedTables(MemoryTableService):
    """A double whose every request is a step."""

    def __init__(self, steps: Steps, clock: FakeClock) -> None:
        super().__init__(clock=clock)
        self._steps = steps

    def _begin(self, operation: str) -> None:
        self._steps.before(operation)
        super()._begin(operation)


class SteppedS3(MemoryS3):
    """A double whose every request is a step."""

    def __init__(self, steps: Steps) -> None:
        super().__init__(BUCKET, "others")
        self._steps = steps

    def put(self, bucket: BucketName, key: ObjectKey, content: bytes) -> None:
        self._steps.before("PutObject")
        super().put(bucket, key, content)

    def get(self, bucket: BucketName, key: ObjectKey) -> bytes:
        self._steps.before("GetObject")
        return super().get(bucket, key)

    def delete_batch(self, bucket: BucketName, keys: Sequence[ObjectKey]) -> list[ObjectFailure]:
        self._steps.before("DeleteObjects")
        return super().delete_batch(bucket, keys)


@dataclass
class Scene:
    """One results table, with a bucket or without."""

    has_bucket: bool
    clock: FakeClock = field(default_factory=FakeClock)
    steps: Steps = field(default_factory=Steps)

    def __post_init__(self) -> None:
        self.tables = SteppedTables(self.steps, self.clock)
        self.tables.create_table(TABLE, table_spec(read_capacity=None, write_capacity=None))
        self.tables.requests.clear()
        self.s3 = SteppedS3(self.steps)
        bucket = BUCKET if self.has_bucket else None
        objects = ResultObjects(service=self.s3, bucket=bucket, prefix=PREFIX)
        self.store: ResultStore = replace(a_store(self.tables, self.clock), objects=objects)

    def write(self, payload: bytes, key: bytes = KEY, life_seconds: int | None = 60) -> bool:
        """Write a state whose payload names it, as a worker does."""
        return self.store.write_state(
            key,
            payload,
            status=status_of(payload),
            life_seconds=life_seconds,
            status_of=status_of,
        )

    def read(self, key: bytes = KEY) -> bytes | None:
        """Read it by itself and with others, which must be the same."""
        payload = self.store.read(key)
        assert self.store.read_many([key]) == ({} if payload is None else {key: payload})
        return payload

    def spent(self) -> Counter[str]:
        """Return the requests since the last look."""
        spent = self.tables.requests + self.s3.requests
        self.tables.requests.clear()
        self.s3.requests.clear()
        return spent

    def pieces(self) -> list[Item]:
        """Return all items that are pieces."""
        return [item for item in self.tables.items(TABLE) if PIECE in item]

    def head(self) -> Item:
        """Return the item of :data:`KEY`."""
        (head,) = (item for item in self.tables.items(TABLE) if text_of(item, "id") == repr(KEY))
        return head

    def unused(self) -> int:
        """Return how many pieces and objects no head shows."""
        heads = [item for item in self.tables.items(TABLE) if PIECE not in item]
        shown = sum(int(head[PIECES]["N"]) for head in heads if PIECES in head)
        versions = {head[VERSION]["S"] for head in heads if VERSION in head}
        assert all(any(v in item["id"]["S"] for item in self.pieces()) for v in versions)
        in_s3 = sum("object_key" in head for head in heads)
        return len(self.pieces()) - shown + len(self.s3.objects(BUCKET)) - in_s3
