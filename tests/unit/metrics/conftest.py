"""An app on doubles, as in the tests of commands."""

from tests.unit.cli.conftest import clock as clock  # noqa: PLC0414
from tests.unit.cli.conftest import shop as shop  # noqa: PLC0414
