"""What KMS is asked for: which key an alias stands for.

Facts: DescribeKey in the KMS API reference.
"""

from typing import Protocol

from celery_aws.aws.access import Access, beside
from celery_aws.aws.answers import member_of
from celery_aws.aws.clients import client_for
from celery_aws.aws.errors import translated


class EncryptionKeys(Protocol):
    """What is asked of KMS. Each method is one request, and raises ``AwsError``."""

    def key_arn(self, name: str) -> str:
        """Return the ARN of the key that an alias or id stands for (DescribeKey)."""


class KmsEncryptionKeys:
    """:class:`EncryptionKeys` on boto3.

    Args:
        access: of the service whose data it encrypts.
    """

    def __init__(self, access: Access) -> None:
        self.access = beside(access)

    def key_arn(self, name: str) -> str:
        """Return the ARN of the key that an alias or id stands for."""
        with translated("kms", "DescribeKey", name):
            answer = client_for("kms", self.access).describe_key(KeyId=name)
            return str(member_of(answer, "KeyMetadata")["Arn"])
