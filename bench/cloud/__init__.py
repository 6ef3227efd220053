"""SQS and DynamoDB fast enough not to be what a benchmark measures."""

from bench.cloud.cloud import Cloud

__all__ = ["Cloud"]
