"""A web team's background work on celery-aws; ``python -m examples.webteam`` shows it all."""
