"""What asks AWS, for each way in which it is reached."""

from collections.abc import Callable
from dataclasses import dataclass, field

from celery_aws.aws.access import Access
from celery_aws.aws.bucket_administration import BucketAdministration, S3BucketAdministration
from celery_aws.aws.encryption_keys import EncryptionKeys, KmsEncryptionKeys
from celery_aws.aws.queue_administration import QueueAdministration, SqsQueueAdministration
from celery_aws.aws.table_administration import DynamoTableAdministration, TableAdministration
from celery_aws.clock import Clock, SystemClock


@dataclass(frozen=True, kw_only=True)
class Services:
    """Makes the services for an access; boto3's unless told."""

    queues: Callable[[Access], QueueAdministration] = SqsQueueAdministration
    tables: Callable[[Access], TableAdministration] = DynamoTableAdministration
    buckets: Callable[[Access], BucketAdministration] = S3BucketAdministration
    keys: Callable[[Access], EncryptionKeys] = KmsEncryptionKeys
    clock: Clock = field(default_factory=SystemClock)
