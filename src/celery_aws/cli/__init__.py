"""``celery -A proj aws ...`` and ``celery-aws ...``."""

from celery_aws.cli.group import aws as aws
from celery_aws.cli.group import main as main

__all__ = ["aws", "main"]
