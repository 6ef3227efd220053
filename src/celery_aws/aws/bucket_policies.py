"""Who may use a bucket, by its own policy.

Facts: GetBucketPolicy in the S3 API reference.
"""

from celery_aws.aws.access import Access
from celery_aws.aws.clients import client_for
from celery_aws.aws.errors import translated
from celery_aws.errors import AwsError
from celery_aws.names import BucketName

_NO_POLICY = "NoSuchBucketPolicy"


def bucket_policy(bucket: BucketName, access: Access) -> str:
    """Return a bucket's policy as JSON, or an empty text.

    Args:
        bucket: its name.
        access: where and who.

    Raises:
        AwsError: AWS refused or did not answer.

    Costs one GetBucketPolicy.
    """
    try:
        with translated("s3", "GetBucketPolicy", bucket):
            answer = client_for("s3", access).get_bucket_policy(Bucket=bucket)
    except AwsError as error:
        if error.code != _NO_POLICY:
            raise
        return ""
    return str(answer.get("Policy", ""))
