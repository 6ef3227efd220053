"""An app with nothing of its own; yours goes here."""

from celery import Celery

app = Celery("health")
app.config_from_object("examples.health.celeryconfig")
