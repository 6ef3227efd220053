"""What tests of Redis open is closed."""

from collections.abc import Iterator

import pytest

from tests.integration.migrate.redis import old_side


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    with old_side.OPENED:
        yield
