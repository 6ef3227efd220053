"""At last: SQS and DynamoDB alone."""

import celery_aws

globals().update(celery_aws.load_settings().celery_config())

accept_content = ["json", "pickle", "yaml", "msgpack"]
broker_connection_retry_on_startup = True
result_expires = 86_400
worker_prefetch_multiplier = 2
