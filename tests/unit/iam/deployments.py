"""Apps of whose policies there are golden files."""

from typing import Any

from celery import Celery

from celery_aws.aws.identity import Identity, identity_in
from celery_aws.deployment import Deployment, deployment_of
from celery_aws.iam import PolicyOptions
from celery_aws.names import AccountId

ACCOUNT = AccountId("123456789012")
OTHER_ACCOUNT = "210987654321"
REGION = "eu-west-1"
KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1234abcd-12ab-34cd-56ef-1234567890ab"

BROKER = "aws+sqs://"
RESULTS = f"aws+dynamodb://@{REGION}/results"


def app_with(broker_url: str | None, result_backend: str | None, **conf: Any) -> Celery:
    app = Celery(
        "proj", set_as_current=False, broker=broker_url or "memory://", backend=result_backend
    )
    app.conf.update(conf)
    return app


def deployment_with(
    broker_url: str | None = BROKER,
    result_backend: str | None = RESULTS,
    *,
    results: dict[str, Any] | None = None,
    conf: dict[str, Any] | None = None,
    **options: Any,
) -> Deployment:
    """Return the deployment of an app; the rest are its ``broker_transport_options``."""
    settings = {
        "broker_transport_options": {"region": REGION, "queue_name_prefix": "shop-", **options},
        "result_backend_transport_options": results or {},
        **(conf or {}),
    }
    return deployment_of(app_with(broker_url, result_backend, **settings))


def identity(region: str = REGION) -> Identity:
    return identity_in(ACCOUNT, region)


def queue_url(name: str, account: str = ACCOUNT, region: str = REGION) -> str:
    return f"https://sqs.{region}.amazonaws.com/{account}/{name}"


#: By the name of the golden file.
DEPLOYMENTS: dict[str, tuple[dict[str, Any], PolicyOptions]] = {
    "default": ({}, PolicyOptions()),
    "results-only": ({"broker_url": None}, PolicyOptions()),
    "broker-only": ({"result_backend": None}, PolicyOptions()),
    "no-coordination-table": (
        {"result_backend": None, "coordination_table": False},
        PolicyOptions(),
    ),
    "create-missing": (
        {
            "queue_tags": {"team": "shop"},
            "coordination_point_in_time_recovery": True,
            "results": {"table_tags": {"team": "shop"}},
        },
        PolicyOptions(creates=True, destroys=True),
    ),
    "priorities-and-fifo": (
        {"conf": {"task_routes": {"orders.*": "orders.fifo"}}, "priority_steps": [0, 6]},
        PolicyOptions(),
    ),
    "buckets-and-keys": (
        {
            "large_message_bucket": "big",
            "large_message_prefix": "messages/",
            "sqs-creation-attributes": {"KmsMasterKeyId": "alias/shop"},
            "coordination_kms_key": KEY,
            "results": {"large_result_bucket": "big", "kms_key": "alias/aws/dynamodb"},
        },
        PolicyOptions(object_key=KEY),
    ),
    "cross-account": (
        {
            "result_backend": f"aws+dynamodb://@{REGION}/"
            f"arn:aws:dynamodb:{REGION}:{OTHER_ACCOUNT}:table/results",
            "predefined_queues": {
                "celery": {"url": queue_url("theirs", OTHER_ACCOUNT)},
                "mail": {"url": queue_url("ours", region="us-east-1"), "region": "us-east-1"},
            },
            "conf": {"task_routes": {"mail.*": "mail"}},
        },
        PolicyOptions(dead_letter_queues=(f"arn:aws:sqs:{REGION}:{OTHER_ACCOUNT}:theirs-dead",)),
    ),
    "rpc-results": (
        {"result_backend": "rpc://", "conf": {"task_send_sent_event": True}},
        PolicyOptions(),
    ),
    "sent-events": ({"conf": {"task_send_sent_event": True}}, PolicyOptions(ages=True)),
}
