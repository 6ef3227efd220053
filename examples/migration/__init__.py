"""A Celery on Redis that moves to SQS and DynamoDB; ``python -m examples.migration`` shows it."""
