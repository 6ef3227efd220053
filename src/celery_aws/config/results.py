"""The query of the result URL and ``result_backend_transport_options``, parsed once."""

from collections.abc import Mapping
from typing import Any

from pydantic.dataclasses import dataclass

from celery_aws.config.access import AccessOptions
from celery_aws.config.fields import (
    Flag,
    TableNameText,
    TtlSeconds,
    whole_number,
)
from celery_aws.config.parsing import FORBID_EXTRA, parse_options

WHERE = "result_backend"

#: Keys of ``result_backend_transport_options`` that Celery itself reads
#: (celery/backends/base.py: its retry loop, and the prefix of every key).
CELERY_KEYS = frozenset({"global_keyprefix", "retry_policy"})


@dataclass(frozen=True, kw_only=True, config=FORBID_EXTRA)
class ResultOptions(AccessOptions):
    """Everything that the result URL's query can say beside :class:`AccessOptions`.

    Attributes:
        table: name of the results table.
        ttl_seconds: life of a result; default: Celery's ``result_expires``; -1 is for ever.
        create_table: create the table when the first result finds none.
        read: read capacity units of a table that is created; default: on demand.
        write: write capacity units of a table that is created; default: on demand.
    """

    table: TableNameText = "celery"
    ttl_seconds: TtlSeconds | None = None
    create_table: Flag = True
    read: whole_number(1, None, "capacity units") | None = None  # type: ignore[valid-type]
    write: whole_number(1, None, "capacity units") | None = None  # type: ignore[valid-type]


def parse_result_options(raw: Mapping[str, Any], *, where: str = WHERE) -> ResultOptions:
    """Parse the options of the results table.

    Args:
        raw: the URL's query, over ``result_backend_transport_options``, with ``table``.
        where: the setting's name, for the error.

    Raises:
        ConfigurationError: an unknown key, a wrong type or a value out of range.
    """
    ours = {key: value for key, value in raw.items() if key not in CELERY_KEYS}
    return parse_options(ResultOptions, ours, where=where)
