"""First: Redis still has the messages; results are read from both sides and written to both."""

import celery_aws
from examples.migration.stages.before import (  # noqa: F401 - they are settings
    accept_content,
    broker_connection_retry_on_startup,
    broker_transport_options,
    broker_url,
    result_expires,
    worker_prefetch_multiplier,
)
from examples.migration.stages.before import (
    result_backend as _old_backend,
)
from examples.migration.stages.before import (
    result_backend_transport_options as _old_options,
)

_new = celery_aws.load_settings().celery_config()

result_backend = "celery_aws.migrate:ResultBackend"
result_backend_transport_options = {
    "new_backend": _new["result_backend"],
    "new_options": _new["result_backend_transport_options"],
    "old_backend": _old_backend,
    "old_options": _old_options,
    # Somebody may still look there alone: whoever has not been deployed again yet.
    "mirror": "old",
    # The same with chords: their parts may be run by a worker that knows nothing else.
    "chords": "old",
}
