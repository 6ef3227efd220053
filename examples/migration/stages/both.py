"""First: Redis still has the messages; results are read from both sides and written to both."""

from examples.migration.stages import before, new_side
from examples.migration.stages.before import *  # noqa: F403 - all but what follows is as it was

result_backend = "celery_aws.migrate:ResultBackend"
result_backend_transport_options = {
    "new_backend": new_side.settings["result_backend"],
    "new_options": new_side.settings["result_backend_transport_options"],
    "old_backend": before.result_backend,
    "old_options": before.result_backend_transport_options,
    # Somebody may still look there alone: whoever has not been deployed again yet.
    "mirror": "old",
    # The same with chords: their parts may be run by a worker that knows nothing else.
    "chords": "old",
}
