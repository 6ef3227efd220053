"""``result_backend_transport_options`` of ``celery_aws.migrate:ResultBackend``, parsed once."""

from collections.abc import Mapping
from dataclasses import field
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field
from pydantic.dataclasses import dataclass

from celery_aws.config.fields import AnyMap
from celery_aws.config.parsing import FORBID_EXTRA, Allowed, parse_options

WHERE = "result_backend_transport_options"

_OFF = ("", "none", "off", "false", "no")


def _side_or_off(value: Any) -> Any:
    return None if value is False or str(value).lower() in _OFF else value


# Not "new" and "old": Celery shows a URL without its password only if "backend" is in its name
# (celery/app/utils.py, ``filter_hidden_settings``).
BackendUrl = Annotated[
    str, Field(pattern=r"^[a-z0-9+]+://"), Allowed("the URL of a result backend, as result_backend")
]
Mirror = Annotated[
    Literal["old"] | None,
    BeforeValidator(_side_or_off),
    Allowed("'old', or None"),
]
Side = Annotated[Literal["new", "old"], Allowed("'new' or 'old'")]


@dataclass(frozen=True, kw_only=True, config=FORBID_EXTRA)
class TwoBackendsOptions:
    """What the backend that reads two backends has to know.

    Attributes:
        new_backend: URL of the backend that results are written to.
        old_backend: URL of the one that is read when the new one does not know. One of the two is
            of this package.
        new_options: ``result_backend_transport_options`` of the new one alone.
        old_options: the same of the old one.
        mirror: ``old`` writes results to the old one too, for clients that read nowhere else.
        chords: where chords begin. ``old`` while there are workers that know only the old one.
    """

    new_backend: BackendUrl
    old_backend: BackendUrl
    new_options: AnyMap = field(default_factory=dict)
    old_options: AnyMap = field(default_factory=dict)
    mirror: Mirror = None
    chords: Side = "new"


def parse_two_backends(raw: Mapping[str, Any]) -> TwoBackendsOptions:
    """Parse ``result_backend_transport_options``.

    Raises:
        ConfigurationError: an unknown or missing key, or a wrong value.
    """
    return parse_options(TwoBackendsOptions, raw, where=WHERE)
