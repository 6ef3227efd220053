"""The settings of the new side: what the environment says, and the priorities that Redis had."""

import celery_aws

settings = celery_aws.load_settings().celery_config()
settings["broker_transport_options"]["priority_steps"] = [0, 3, 6, 9]
