"""The hot requests, past most of botocore.

A call through boto3 costs 0.6 to 0.9 ms of CPU: it validates parameters, evaluates endpoint rules,
puts a user agent together, runs two dozen hooks and parses by a model, anew for each request. Here
the first call of an operation on a queue or table goes that way; those after it are made after its
request (:mod:`celery_aws.aws.wire.template`), over botocore's connections, with its credentials.
Whatever is not a plain success is handed to botocore (:mod:`celery_aws.aws.wire.handover`), so
errors, retries and their number are boto3's.

botocore's own parts are used by names that it does not promise to keep. If one is missing, or
anything is set up in a way that is not known here, all goes through boto3 as ever.
"""

import logging
from collections.abc import Mapping
from typing import Any, TypeAlias

from botocore import xform_name
from botocore.awsrequest import AWSResponse
from botocore.exceptions import HTTPClientError

from celery_aws.aws.access import Access
from celery_aws.aws.clients import READ_TIMEOUT_SECONDS, client_for
from celery_aws.aws.meter import process_meter
from celery_aws.aws.request_events import sqs_units
from celery_aws.aws.wire.bodies import body_of, contents_of
from celery_aws.aws.wire.bystanders import calls_are_patched, hooked_by_others
from celery_aws.aws.wire.handover import Outcome, first_attempt
from celery_aws.aws.wire.line import Line
from celery_aws.aws.wire.template import RequestTemplate, WireRequest, template_of
from celery_aws.core.consumed_capacity import billed_units
from celery_aws.process import PerProcess

logger = logging.getLogger(__name__)

#: Calls that go through botocore after one that it tried again: its retry quota, of which such a
#: call may use up this much, fills again by one with each success that botocore sees.
_CALLS_AFTER_RETRY = 20

#: Modes of retrying that need not see requests that succeed, but for the quota. "adaptive" does.
_RETRY_MODES = ("standard", "legacy")

Members: TypeAlias = Mapping[str, Any]

_wires: PerProcess[tuple[Any, bool], "Wire"] = PerProcess()


def wire_for(
    service: str,
    access: Access,
    *,
    read_timeout_seconds: float = READ_TIMEOUT_SECONDS,
    attempts: int = 3,
) -> "Wire":
    """Return this process's wire to ``service``; the arguments are those of a client.

    Raises:
        ConfigurationError: as :func:`~celery_aws.aws.clients.client_for`.
        AwsError: likewise.
    """
    client = client_for(
        service, access, read_timeout_seconds=read_timeout_seconds, attempts=attempts
    )
    direct = access.direct_requests
    return _wires.get((client, direct), lambda: Wire(client, direct=direct))


class Wire:
    """Makes calls as one boto3 client does; safe to share between threads."""

    def __init__(self, client: Any, *, direct: bool) -> None:
        self.client = client
        self._service = client.meta.service_model.service_id.hyphenize()
        self._templates: dict[tuple[str, str], RequestTemplate | None] = {}
        self._lines: dict[str, Line] = {}
        self._calls_left_to_botocore = 0
        self._credentials: Any = None
        retries = client.meta.config.retries or {}
        if direct and retries.get("mode") in _RETRY_MODES:
            signer = getattr(client, "_request_signer", None)
            self._credentials = getattr(signer, "_credentials", None)

    def ask(self, operation: str, resource: str, parameters: Members) -> Members:
        """Make one call, and return its answer as boto3 does, without its metadata.

        Args:
            operation: AWS's name of it; one that :mod:`celery_aws.aws.wire.bodies` can write.
            resource: URL, name or ARN of the queue or table that it is for.
            parameters: as boto3 takes them.

        Raises:
            BotoCoreError: as boto3 raises it.
            ClientError: likewise.
        """
        body = body_of(parameters) if self._is_direct() else None
        if body is None:
            return self._by_botocore(operation, parameters)[0]
        credentials = self._credentials.get_frozen_credentials()
        # Endpoints differ by host, account and partition at most, and never by the name itself.
        kind = operation, resource.rpartition("/")[0]
        template = self._templates.get(kind)
        if template is not None and template.fits(credentials):
            outcome = self._outcome(operation, resource, template.request(body, credentials))
            return self._contents(operation, resource, parameters, outcome)
        answer, request = self._by_botocore(operation, parameters)
        if request is not None and self._is_to_be_learned(kind, credentials):
            is_same = request.body == body
            self._templates[kind] = (
                self._learned(operation, request, credentials) if is_same else None
            )
        return answer

    def _is_direct(self) -> bool:
        if self._credentials is None or calls_are_patched():
            return False
        if self._calls_left_to_botocore > 0:
            self._calls_left_to_botocore -= 1
            return False
        return True

    def _outcome(self, operation: str, resource: str, request: WireRequest) -> Outcome:
        # Now: it is under way even if it takes long, or whoever waits for it is killed.
        process_meter().count(self._service, operation, resource)
        try:
            return self._lines[request.url].send(request)
        except HTTPClientError as error:
            return error

    def _contents(
        self, operation: str, resource: str, parameters: Members, outcome: Outcome
    ) -> Members:
        contents = None
        if isinstance(outcome, AWSResponse):
            contents = contents_of(operation, outcome)
        if contents is None:
            return self._by_botocore(operation, parameters, outcome)[0]
        units_of = sqs_units if self._service == "sqs" else billed_units
        units = units_of(operation, parameters, contents)
        process_meter().add_units(self._service, operation, resource, units)
        return contents

    def _by_botocore(
        self, operation: str, parameters: Members, outcome: "Outcome | None" = None
    ) -> tuple[Members, Any]:
        """Return the answer, and the first request that was made for it."""
        with first_attempt(f"before-send.{self._service}.{operation}", outcome) as attempt:
            try:
                return getattr(self.client, xform_name(operation))(**parameters), attempt.request
            finally:
                if attempt.requests > 1:
                    self._calls_left_to_botocore = _CALLS_AFTER_RETRY

    def _is_to_be_learned(self, kind: tuple[str, str], credentials: Any) -> bool:
        known = self._templates.get(kind)
        is_new = kind not in self._templates or (known is not None and not known.fits(credentials))
        # If they were renewed meanwhile, nobody knows which ones have signed it.
        return is_new and bool(credentials == self._credentials.get_frozen_credentials())

    def _learned(self, operation: str, request: Any, credentials: Any) -> RequestTemplate | None:
        try:
            if hooked_by_others(self.client, operation):
                return None
            template = template_of(request, credentials)
            if template is not None and template.url not in self._lines:
                session = self.client._endpoint.http_session  # noqa: SLF001
                self._lines[template.url] = Line(session, template.url)
        except AttributeError as error:
            logger.debug("boto3 sends all requests: %s", error)
            return None
        return template
