"""The kombu transport on SQS."""
