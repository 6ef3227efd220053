"""New workers and switched producers: messages on SQS, results still on both sides."""

import celery_aws
from examples.migration.stages import both
from examples.migration.stages.both import *  # noqa: F403 - all but what follows is as it was

_new = celery_aws.load_settings().celery_config()

# Everybody knows both backends by now.
result_backend_transport_options = {**both.result_backend_transport_options, "chords": "new"}

broker_url = _new["broker_url"]
broker_transport_options = _new["broker_transport_options"]
