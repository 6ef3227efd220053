"""``celery -A proj aws ...`` and ``celery-aws ...``.

``celery-aws health`` is answered before click is loaded: it is called every few seconds in each
container, and click alone would take half of its time.
"""

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from celery_aws.cli.group import aws as aws

__all__ = ["aws", "main"]


def main() -> None:
    """Run a command where no Celery app is at hand: the script ``celery-aws``."""
    if sys.argv[1:2] == ["health"]:
        from celery_aws.health.probe import main as probe  # noqa: PLC0415

        sys.exit(probe(sys.argv[2:]))
    from celery_aws.cli.group import main as run  # noqa: PLC0415

    run()


def __getattr__(name: str) -> Any:
    if name == "aws":
        from celery_aws.cli.group import aws as group  # noqa: PLC0415

        return group
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
