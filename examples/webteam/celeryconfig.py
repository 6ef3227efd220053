"""The whole configuration: the rest is in the environment, in ``.env`` or in Secrets Manager."""

import celery_aws

globals().update(celery_aws.load_settings().celery_config())
