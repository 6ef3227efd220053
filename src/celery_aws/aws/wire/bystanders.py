"""Who else takes part in botocore's calls: tools that trace, record or answer them.

They hook into botocore's events (moto, Sentry) or replace a method that makes calls
(OpenTelemetry, X-Ray, Datadog, New Relic, tests that patch one), and none of them sees a direct
request. Where there is one, every request goes through botocore.
"""

from pathlib import Path
from types import FunctionType
from typing import Any

import botocore
from botocore.client import BaseClient
from botocore.endpoint import Endpoint

_BOTOCORE = str(Path(botocore.__file__).parent)

#: Packages whose handlers are part of a call as it is known here.
_OWN_PACKAGES = ("botocore", "celery_aws")

#: What is replaced by who wants to see calls; New Relic's is the second.
_PATCHED = ((BaseClient, "_make_api_call"), (Endpoint, "make_request"))

#: The events of one call, in their order.
_EVENTS = (
    "provide-client-params",
    "before-parameter-build",
    "before-endpoint-resolution",
    "before-call",
    "request-created",
    "choose-signer",
    "before-sign",
    "before-send",
    "response-received",
    "before-parse",
    "needs-retry",
    "after-call",
    "after-call-error",
)


def hooked_by_others(client: Any, operation: str) -> bool:
    """Tell whether somebody else has a handler on an event of the calls of ``operation``.

    Raises:
        AttributeError: botocore keeps its handlers in another way than is known here.
    """
    service = client.meta.service_model.service_id.hyphenize()
    handlers = client.meta.events._emitter._handlers  # noqa: SLF001 - botocore tells nobody
    return any(
        _package(handler) not in _OWN_PACKAGES
        for event in _EVENTS
        for handler in handlers.prefix_search(f"{event}.{service}.{operation}")
    )


def calls_are_patched() -> bool:
    """Tell whether somebody has put something of theirs in the place of botocore's calls."""
    return not all(_is_botocores(getattr(cls, name, None)) for cls, name in _PATCHED)


def _is_botocores(method: Any) -> bool:
    return type(method) is FunctionType and method.__code__.co_filename.startswith(_BOTOCORE)


def _package(handler: Any) -> str:
    function = getattr(handler, "__func__", handler)
    # Not its __module__, which functools.wraps makes that of what it wraps.
    is_function = isinstance(function, FunctionType)
    module: str = function.__globals__["__name__"] if is_function else type(handler).__module__
    return module.partition(".")[0]
