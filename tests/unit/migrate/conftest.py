"""An app on doubles of SQS, DynamoDB and S3, for what is moved there and back."""

from tests.unit.cli.conftest import clock, shop

__all__ = ["clock", "shop"]
