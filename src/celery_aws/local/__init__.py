"""The embedded local AWS: for development and tests only."""

from celery_aws.local.server import LocalAws as LocalAws

__all__ = ["LocalAws"]
