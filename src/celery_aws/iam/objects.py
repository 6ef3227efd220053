"""What is too large for SQS or DynamoDB and is in S3: objects under a prefix of a bucket."""

from collections.abc import Iterator
from typing import Literal

from celery_aws.iam.allowing import allowing
from celery_aws.iam.document import Conditions, Statement
from celery_aws.iam.resources import Resources


def objects(
    label: Literal["Messages", "Results"],
    found: Resources,
    kind: Literal["messages", "results"],
    actions: str,
) -> Iterator[Statement]:
    """Yield what may be done with large messages, or large results.

    Args:
        label: in the names of the statements.
        found: the resources.
        kind: which of them.
        actions: on objects. Who reads may also list them: without that, S3 says of an object that
            is not there that it is forbidden ("GetObject" in the S3 API reference, "Permissions").
    """
    for bucket in found.deployment.buckets:
        if bucket.kind != kind:
            continue
        arn = found.bucket(bucket)
        yield from allowing(f"Large{label}", "s3", actions, (f"{arn}/{bucket.prefix}*",))
        if "GetObject" in actions.split():
            yield from allowing(
                f"MissLarge{label}", "s3", "ListBucket", (arn,), _only_under(bucket.prefix)
            )


def _only_under(prefix: str) -> Conditions:
    # A GetObject has no prefix, and is no listing: so only if there is one.
    return {"StringLikeIfExists": {"s3:prefix": (f"{prefix}*",)}} if prefix else {}
