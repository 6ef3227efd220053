"""How the meter hears of what goes through boto3: by botocore's events.

``before-parameter-build`` has the parameters of a call, ``request-created`` comes for each attempt,
when that is signed, and ``after-call`` has the answer; the context of the call goes through all.
They are those of a session, so nothing that goes through its clients can be missed. Facts:
botocore/client.py ``_make_api_call``, botocore/endpoint.py ``_send_request``.
"""

from collections.abc import Mapping
from typing import Any, Final

from celery_aws.aws.meter import process_meter
from celery_aws.aws.wire.handover import went_out
from celery_aws.core.billing import billed_requests
from celery_aws.core.consumed_capacity import CONDITION_FAILED, billed_units
from celery_aws.core.messages import payload_bytes
from celery_aws.core.metered_names import resource_of

#: Where a call's context has its parameters and what it is for.
_NOTED: Final = "celery-aws"

Members = Mapping[str, Any]


def meter_session(session: Any) -> None:
    """Count what clients of this botocore session ask for, those made from now on."""
    session.register("before-parameter-build", _note)
    session.register("request-created", _count)
    session.register("after-call", _add_units)


def sqs_units(operation: str, parameters: Members, answer: Members) -> int:
    """Return how many requests SQS bills for one that it has answered.

    Args:
        operation: AWS's name of it.
        parameters: as boto3 takes them.
        answer: as boto3 returns it.
    """
    if operation == "SendMessage":
        return billed_requests(_payload(parameters, "MessageBody"))
    if operation == "SendMessageBatch":
        entries = parameters["Entries"]
        return billed_requests(sum(_payload(each, "MessageBody") for each in entries))
    if operation == "ReceiveMessage":
        return billed_requests(sum(_payload(each, "Body") for each in answer.get("Messages", ())))
    return 1


def _payload(message: Members, body: str) -> int:
    return payload_bytes(message.get(body) or "", message.get("MessageAttributes") or {})


def _note(params: Members, context: dict[str, Any], **_: Any) -> None:
    context[_NOTED] = params, resource_of(params)


def _count(event_name: str, request: Any, **_: Any) -> None:
    service, operation = event_name.split(".", 2)[1:]
    if went_out(service, operation):
        return  # it was counted then
    resource = request.context.get(_NOTED, ({}, ""))[1]
    process_meter().count(service, operation, resource)


def _add_units(
    event_name: str, http_response: Any, parsed: Members, context: dict[str, Any], **_: Any
) -> None:
    service, operation = event_name.split(".", 2)[1:]
    parameters, resource = context.get(_NOTED, ({}, ""))
    units = 0.0
    if service == "sqs" and http_response.status_code < 300:
        units = sqs_units(operation, parameters, parsed)
    elif service == "dynamodb" and _is_billed(http_response.status_code, parsed):
        units = billed_units(operation, parameters, parsed)
    if units:
        process_meter().add_units(service, operation, resource, units)


def _is_billed(status: int, answer: Members) -> bool:
    return status < 300 or answer.get("Error", {}).get("Code") == CONDITION_FAILED
