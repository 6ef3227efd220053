"""Workers that empty Redis: what they take comes from there, what they send goes to SQS."""

from examples.migration.stages import before, both, new_side
from examples.migration.stages.both import *  # noqa: F403 - all but what follows is as it was

# Everybody knows both backends by now.
result_backend_transport_options = {**both.result_backend_transport_options, "chords": "new"}

broker_read_url = before.broker_url
broker_write_url = new_side.settings["broker_url"]
# One mapping for both brokers: each takes what it knows.
broker_transport_options = {
    **before.broker_transport_options,
    **new_side.settings["broker_transport_options"],
}
