"""The Celery result backend on DynamoDB."""
