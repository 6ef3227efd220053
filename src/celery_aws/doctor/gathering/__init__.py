"""Questions to AWS and to Celery, whose answers are the facts. None changes anything."""
