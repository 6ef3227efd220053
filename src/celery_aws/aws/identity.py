"""Who asks, as AWS sees it: the start of every ARN.

Facts: GetCallerIdentity in the STS API reference.
"""

from dataclasses import dataclass
from typing import Protocol

from celery_aws.aws.access import Access, beside
from celery_aws.aws.answers import member_of
from celery_aws.aws.clients import client_for
from celery_aws.aws.errors import translated
from celery_aws.names import AccountId, QueueArn, QueueName, TableName

#: arn:partition:service:region:account:resource
_ARN_PARTITION = 1

#: Partitions whose regions begin so; all others are in ``aws``.
_PARTITIONS = {
    "cn-": "aws-cn",
    "us-gov-": "aws-us-gov",
    "us-iso-": "aws-iso",
    "us-isob-": "aws-iso-b",
    "us-isof-": "aws-iso-f",
    "eu-isoe-": "aws-iso-e",
    "eusc-": "aws-eusc",
}


@dataclass(frozen=True, kw_only=True)
class Identity:
    """The account, and who it is in it.

    Attributes:
        account: its 12 digits.
        arn: of the user, or of the session of a role.
        partition: ``aws``, ``aws-cn`` or ``aws-us-gov``.
    """

    account: AccountId
    arn: str
    partition: str = "aws"

    def queue_arn(self, region: str, name: QueueName) -> QueueArn:
        """Return the ARN of a queue of the account."""
        return QueueArn(f"arn:{self.partition}:sqs:{region}:{self.account}:{name}")

    def table_arn(self, region: str, name: TableName) -> str:
        """Return the ARN of a table of the account; a table that is named by its ARN has that."""
        if name.startswith("arn:"):
            return name
        return f"arn:{self.partition}:dynamodb:{region}:{self.account}:table/{name}"


def identity_in(account: AccountId, region: str) -> Identity:
    """Return an account by its number, without asking AWS who it is.

    Args:
        account: its 12 digits.
        region: in which it is used, which tells the partition.
    """
    found = (name for start, name in _PARTITIONS.items() if region.startswith(start))
    partition = next(found, "aws")
    return Identity(
        account=account, arn=f"arn:{partition}:iam::{account}:root", partition=partition
    )


class IdentityService(Protocol):
    """What is asked of STS. Each method is one request, and raises :class:`AwsError`."""

    def identity(self) -> Identity:
        """Return who asks (GetCallerIdentity, which needs no right and is free)."""


class StsIdentityService:
    """:class:`IdentityService` on boto3.

    Args:
        access: of the broker or of the results.
    """

    def __init__(self, access: Access) -> None:
        self.access = beside(access)

    def identity(self) -> Identity:
        """Return who asks."""
        with translated("sts", "GetCallerIdentity"):
            answer = client_for("sts", self.access).get_caller_identity()
            arn = str(member_of(answer, "Arn"))
            account = AccountId(str(member_of(answer, "Account")))
        return Identity(account=account, arn=arn, partition=arn.split(":")[_ARN_PARTITION])
