"""The Celery app: nothing in it knows that the broker is SQS and the results are in DynamoDB."""

import os
from pathlib import Path

from celery import Celery

from examples.webteam import request_log

app = Celery(
    "webteam",
    include=[
        "examples.webteam.tasks.images",
        "examples.webteam.tasks.mail",
        "examples.webteam.tasks.payments",
        "examples.webteam.tasks.rates",
        "examples.webteam.tasks.weather",
    ],
)
app.config_from_object("examples.webteam.celeryconfig")

# Only for the demo's last table.
if folder := os.environ.get("WEBTEAM_REQUEST_LOG"):
    request_log.write_at_exit(Path(folder))
