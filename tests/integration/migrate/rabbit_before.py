"""The shop's configuration as it was, had it been on RabbitMQ."""

import os

broker_url = os.environ["SHOP_RABBIT"]
result_backend = None
accept_content = ["json", "pickle", "yaml", "msgpack"]
task_queue_max_priority = 10
