"""The Celery result backend on DynamoDB."""

from celery_aws.results.awaiting import aget as aget
from celery_aws.results.backend import DynamoDBBackend as DynamoDBBackend
from celery_aws.results.ours import our_backend as our_backend
from celery_aws.results.ours import our_settings as our_settings
from celery_aws.results.ours import result_backend_of as result_backend_of
from celery_aws.results.table import create_table as create_table

__all__ = [
    "DynamoDBBackend",
    "aget",
    "create_table",
    "our_backend",
    "our_settings",
    "result_backend_of",
]
