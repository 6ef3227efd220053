"""At last: SQS and DynamoDB alone."""

from examples.migration.stages import new_side

globals().update(new_side.settings)

accept_content = ["json", "pickle", "yaml", "msgpack"]
broker_connection_retry_on_startup = True
result_expires = 86_400
worker_prefetch_multiplier = 2
