"""Keys of KMS as an operator looks at them.

Facts: DescribeKey in the KMS API reference; "Key states of AWS KMS keys" in its developer guide.
"""

from dataclasses import dataclass
from typing import Protocol

from botocore.exceptions import ClientError

from celery_aws.aws.access import Access, beside
from celery_aws.aws.answers import member_of
from celery_aws.aws.clients import client_for
from celery_aws.aws.errors import translated


@dataclass(frozen=True, kw_only=True)
class KeyState:
    """Whether a key can be used, and AWS's word for its state, such as ``PendingDeletion``.

    The state of a key that does not exist is ``gone``.
    """

    usable: bool
    state: str


class KeyExamination(Protocol):
    """What an operator asks of KMS. Each method is one request; raises :class:`AwsError`."""

    def state(self, key: str) -> KeyState:
        """Return the state of a key, by its id, ARN or alias (DescribeKey)."""


class KmsKeyExamination:
    """:class:`KeyExamination` on boto3.

    Args:
        access: of the queue or table that is encrypted with the keys.
    """

    def __init__(self, access: Access) -> None:
        self.access = beside(access)

    def state(self, key: str) -> KeyState:
        """Return the state of a key."""
        with translated("kms", "DescribeKey", key):
            try:
                answer = client_for("kms", self.access).describe_key(KeyId=key)
            except ClientError as error:
                if error.response.get("Error", {}).get("Code") != "NotFoundException":
                    raise
                return KeyState(usable=False, state="gone")
            found = member_of(answer, "KeyMetadata")
        return KeyState(usable=bool(found.get("Enabled")), state=str(found.get("KeyState", "")))
