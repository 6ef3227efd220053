"""Whether a service of AWS answers, whether it knows who asks, and what time it is there.

Facts: every answer of AWS has the header ``Date``, a refusal too; botocore/parsers.py
(``ResponseMetadata``).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import Any, Final, Literal, TypeAlias

from botocore.exceptions import ClientError

from celery_aws.aws.access import Access
from celery_aws.aws.clients import client_for
from celery_aws.aws.errors import translate, translated
from celery_aws.errors import AwsError

ServiceName: TypeAlias = Literal["sqs", "dynamodb"]

#: By service: what it is asked, as AWS and as boto3 call it, and the parameter.
_QUESTIONS: Final[Mapping[ServiceName, tuple[str, str, str]]] = {
    "sqs": ("GetQueueUrl", "get_queue_url", "QueueName"),
    "dynamodb": ("DescribeTable", "describe_table", "TableName"),
}


#: So that who asks in vain, which takes until the deadline, is not kept for long.
_ATTEMPTS: Final = 2


@dataclass(frozen=True, kw_only=True)
class Greeting:
    """An answer, whatever it is.

    Attributes:
        date: by the service's clock, to the second; None if it does not say.
        refusal: the error that was answered; None if what was asked was answered.
    """

    date: datetime | None
    refusal: AwsError | None = None


def greet(service: ServiceName, access: Access, resource: str) -> Greeting:
    """Ask a service something that changes nothing.

    Args:
        service: which one.
        access: where and who.
        resource: a queue's name, or a table's; it need not exist.

    Raises:
        AwsError: there was no answer, or nothing to ask with: no credentials, no role.

    Costs one GetQueueUrl or DescribeTable, which is free.
    """
    operation, method, parameter = _QUESTIONS[service]
    with translated(service, operation, resource):
        client = client_for(service, access, attempts=_ATTEMPTS)
        try:
            answer = getattr(client, method)(**{parameter: resource})
        except ClientError as error:
            refusal = translate(error, service=service, operation=operation, resource=resource)
            return Greeting(date=answered_at(error.response), refusal=refusal)
    return Greeting(date=answered_at(answer))


def answered_at(answer: Mapping[str, Any]) -> datetime | None:
    """Return when a service gave an answer, by its own clock; None if it does not say."""
    text = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date")
    try:
        date = None if text is None else parsedate_to_datetime(text)
    except ValueError:
        return None
    # HTTP knows no other zone, and a date that names none is naive.
    return date if date is None or date.tzinfo else date.replace(tzinfo=timezone.utc)
