"""As it was: Redis, unless messages are elsewhere, with options that have grown over years."""

import os

broker_url = os.environ.get("SHOP_BROKER", os.environ["SHOP_REDIS"])
result_backend = os.environ["SHOP_REDIS"]
broker_transport_options = {
    "global_keyprefix": "shop:",
    "priority_steps": [0, 3, 6, 9],
    "queue_order_strategy": "priority",
}
result_backend_transport_options: dict[str, object] = {"global_keyprefix": "shop-results:"}
accept_content = ["json", "pickle", "yaml", "msgpack"]
broker_connection_retry_on_startup = True
result_expires = 86_400
worker_prefetch_multiplier = 2
