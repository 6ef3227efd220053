"""Moves a live Celery from Redis or RabbitMQ to SQS and DynamoDB, and back.

What is in a source broker is claimed, sent, noted in a journal, and only then gone from there;
whoever is killed in between finds it again. What cannot be sent is never dropped: it stays where it
is, or goes into a file.
"""

from celery_aws.migrate.results import ResultBackend as ResultBackend

__all__ = ["ResultBackend"]
