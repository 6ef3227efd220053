"""Buckets as an operator looks at them.

Facts: HeadBucket, GetPublicAccessBlock, GetBucketPolicy and GetBucketLifecycleConfiguration in the
S3 API reference. HeadBucket has no body, so its errors have a status for a code.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, Protocol

from botocore.exceptions import ClientError

from celery_aws.aws.access import Access
from celery_aws.aws.clients import client_for
from celery_aws.aws.errors import translated
from celery_aws.errors import AccessDeniedError, BucketNotFoundError
from celery_aws.names import BucketName

#: What S3 answers if a bucket has nothing of the kind.
_NOTHING: Final = frozenset(
    {
        "NoSuchPublicAccessBlockConfiguration",
        "NoSuchBucketPolicy",
        "NoSuchLifecycleConfiguration",
    }
)

_HEAD_ERRORS: Final = {"404": BucketNotFoundError, "403": AccessDeniedError}

_BLOCKS: Final = (
    "BlockPublicAcls",
    "IgnorePublicAcls",
    "BlockPublicPolicy",
    "RestrictPublicBuckets",
)


@dataclass(frozen=True, kw_only=True)
class LifecycleRule:
    """When objects are deleted by themselves.

    Attributes:
        name: its ID.
        prefix: of the keys that it is for.
        expires_days: after their creation; None if it deletes by a date, or nothing.
        whole_prefix: True if it is for all objects of the prefix; some rules are for those with a
            tag or of a size only.
    """

    name: str
    prefix: str
    expires_days: int | None
    whole_prefix: bool = True


class BucketExamination(Protocol):
    """What an operator asks of S3. Each method is one request; raises :class:`AwsError`."""

    def region(self, bucket: BucketName) -> str:
        """Return where a bucket is; an empty text if S3 does not say (HeadBucket)."""

    def public_access_blocked(self, bucket: BucketName) -> bool:
        """Tell whether nothing in it can be public (GetPublicAccessBlock)."""

    def policy(self, bucket: BucketName) -> str:
        """Return its policy as JSON, or an empty text (GetBucketPolicy)."""

    def lifecycle(self, bucket: BucketName) -> tuple[LifecycleRule, ...]:
        """Return the rules in force (GetBucketLifecycleConfiguration)."""


class S3BucketExamination:
    """:class:`BucketExamination` on boto3.

    Args:
        access: where and who.
    """

    def __init__(self, access: Access) -> None:
        self.access = access

    def region(self, bucket: BucketName) -> str:
        """Return where a bucket is."""
        with translated("s3", "HeadBucket", bucket), _head_errors(bucket):
            answer = client_for("s3", self.access).head_bucket(Bucket=bucket)
        headers = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {})
        return str(answer.get("BucketRegion") or headers.get("x-amz-bucket-region") or "")

    def public_access_blocked(self, bucket: BucketName) -> bool:
        """Tell whether nothing in it can be public."""
        answer = self._ask("GetPublicAccessBlock", "get_public_access_block", bucket)
        blocks = answer.get("PublicAccessBlockConfiguration", {})
        return all(blocks.get(name) for name in _BLOCKS)

    def policy(self, bucket: BucketName) -> str:
        """Return its policy as JSON, or an empty text."""
        return str(self._ask("GetBucketPolicy", "get_bucket_policy", bucket).get("Policy", ""))

    def lifecycle(self, bucket: BucketName) -> tuple[LifecycleRule, ...]:
        """Return the rules in force."""
        operation = "GetBucketLifecycleConfiguration"
        answer = self._ask(operation, "get_bucket_lifecycle_configuration", bucket)
        rules = answer.get("Rules", ())
        return tuple(_rule(rule) for rule in rules if rule.get("Status") == "Enabled")

    def _ask(self, operation: str, method: str, bucket: BucketName) -> Mapping[str, Any]:
        with translated("s3", operation, bucket):
            try:
                answer: Mapping[str, Any] = getattr(client_for("s3", self.access), method)(
                    Bucket=bucket
                )
            except ClientError as error:
                if error.response.get("Error", {}).get("Code") in _NOTHING:
                    return {}
                raise
            return answer


@contextmanager
def _head_errors(bucket: BucketName) -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code"))
        if code not in _HEAD_ERRORS:
            raise
        raise _HEAD_ERRORS[code](
            "refused" if code == "403" else "there is no such bucket",
            service="s3",
            operation="HeadBucket",
            code=code,
            resource=bucket,
        ) from error


def _rule(rule: Mapping[str, Any]) -> LifecycleRule:
    found = dict(rule.get("Filter") or {})
    both = dict(found.get("And") or {})
    prefix = rule.get("Prefix") or found.get("Prefix") or both.get("Prefix") or ""
    narrowing = (set(found) | set(both)) - {"Prefix", "And"}
    days = rule.get("Expiration", {}).get("Days")
    return LifecycleRule(
        name=str(rule.get("ID", "")),
        prefix=str(prefix),
        expires_days=None if days is None else int(days),
        whole_prefix=not narrowing,
    )
