"""The kombu transport on SQS, named ``celery_aws.broker:Transport`` in settings."""

from celery_aws.broker.transport import Transport as Transport

__all__ = ["Transport"]
