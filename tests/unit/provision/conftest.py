import pytest

from tests.unit.provision.account import Account


@pytest.fixture
def account(bare_environment: pytest.MonkeyPatch) -> Account:
    """Return an empty account; nothing in the environment names a real one."""
    return Account()
