"""New workers and switched producers: messages on SQS, results still on both sides."""

from examples.migration.stages import both, new_side
from examples.migration.stages.both import *  # noqa: F403 - all but what follows is as it was

# Everybody knows both backends by now.
result_backend_transport_options = {**both.result_backend_transport_options, "chords": "new"}

broker_url = new_side.settings["broker_url"]
broker_transport_options = new_side.settings["broker_transport_options"]
