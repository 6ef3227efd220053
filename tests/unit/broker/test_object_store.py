import pytest

from celery_aws.broker.object_store import ObjectStore
from celery_aws.config.broker import parse_broker_options
from celery_aws.core.messages import S3Pointer
from celery_aws.errors import ConfigurationError, ObjectNotFoundError
from celery_aws.names import BucketName, ObjectKey
from celery_aws.testing.clock import FakeClock
from celery_aws.testing.memory_s3 import MemoryS3
from tests.unit.broker.conftest import BUCKET

OTHER = BucketName("other")


@pytest.fixture
def s3() -> MemoryS3:
    return MemoryS3(BUCKET, OTHER)


@pytest.fixture
def store(s3: MemoryS3) -> ObjectStore:
    options = {"large_message_bucket": BUCKET, "large_message_prefix": "tasks/"}
    return ObjectStore(parse_broker_options(options), s3, FakeClock())


def pointer(key: str, bucket: BucketName = BUCKET) -> S3Pointer:
    return S3Pointer(bucket=bucket, key=ObjectKey(key))


def kept(store: ObjectStore, body: str = "body") -> S3Pointer:
    made = store.new_pointer()
    assert made is not None
    store.put(made, body)
    return made


def test_bodies_are_kept_under_the_prefix_each_on_its_own(store: ObjectStore) -> None:
    one, two = kept(store, "\u00e9"), kept(store, "2")

    assert (one.bucket, one.key[:6]) == (BUCKET, "tasks/")
    assert (store.get(one), store.get(two)) == ("\u00e9", "2")


def test_without_a_bucket_nothing_is_kept_read_or_deleted(s3: MemoryS3) -> None:
    store = ObjectStore(parse_broker_options({}), s3, FakeClock())
    s3.put(BUCKET, ObjectKey("k"), b"x")

    assert store.new_pointer() is None
    with pytest.raises(ConfigurationError, match="large_message_bucket is not set here"):
        store.get(pointer("k"))
    store.remove([pointer("k")])

    assert s3.objects(BUCKET) == {"k": b"x"}


@pytest.mark.parametrize(
    "outside",
    [pointer("tasks/k", OTHER), pointer("secret"), pointer("tasks/../secret")],
)
def test_a_message_cannot_make_it_read_or_delete_elsewhere(
    store: ObjectStore, s3: MemoryS3, outside: S3Pointer
) -> None:
    s3.put(outside.bucket, outside.key, b"x")

    with pytest.raises(ConfigurationError, match="Senders and consumers") as caught:
        store.get(outside)
    store.remove([outside])

    assert str(outside) in str(caught.value)
    assert (s3.requests["GetObject"], s3.requests["DeleteObjects"]) == (0, 0)


def test_what_is_deleted_is_gone(store: ObjectStore, s3: MemoryS3) -> None:
    one, two, three = kept(store), kept(store), kept(store)

    store.remove([one, two])

    assert list(s3.objects(BUCKET)) == [three.key]
    assert s3.requests["DeleteObjects"] == 1
    with pytest.raises(ObjectNotFoundError):
        store.get(one)
