"""Ours, Celery's own SQS and DynamoDB, and Redis, in turns on the same tasks: ``make bench``."""
