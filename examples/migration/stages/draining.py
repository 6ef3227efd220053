"""Workers that empty Redis: what they take comes from there, what they send goes to SQS."""

import celery_aws
from examples.migration.stages import before, both
from examples.migration.stages.both import *  # noqa: F403 - all but what follows is as it was

_new = celery_aws.load_settings().celery_config()

# Everybody knows both backends by now.
result_backend_transport_options = {**both.result_backend_transport_options, "chords": "new"}

broker_read_url = before.broker_url
broker_write_url = _new["broker_url"]
# One mapping for both brokers: each takes what it knows.
broker_transport_options = {
    **before.broker_transport_options,
    **_new["broker_transport_options"],
}
