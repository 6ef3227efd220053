"""The Celery app: which stage of the migration it is in says the environment, and nothing else."""

import os

from celery import Celery

app = Celery("shop", include=["examples.migration.tasks"])
app.config_from_object(os.environ.get("SHOP_SETTINGS", "examples.migration.stages.aws"))
