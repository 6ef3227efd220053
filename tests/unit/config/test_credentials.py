import pytest

from celery_aws.config.credentials import Credentials, credentials_or_none
from celery_aws.errors import ConfigurationError


@pytest.mark.parametrize("nothing", [None, ""])
def test_neither_half_is_the_default_chain(nothing: str | None) -> None:
    assert credentials_or_none(nothing, nothing, where="x") is None
    assert credentials_or_none(nothing, nothing, "token", where="x") is None


def test_both_halves_are_a_pair() -> None:
    assert credentials_or_none("key", "secret", "", where="x") == Credentials(
        access_key_id="key", secret_access_key="secret"
    )
    temporary = credentials_or_none("key", "secret", "token", where="x")
    assert temporary is not None
    assert temporary.session_token == "token"


@pytest.mark.parametrize(
    ("key", "secret", "words"),
    [
        ("key", None, "x: an access key is given without its secret"),
        ("", "s3cr3t", "x: a secret is given without its access key"),
    ],
)
def test_half_a_pair_is_an_error(key: str | None, secret: str | None, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words) as caught:
        credentials_or_none(key, secret, where="x")
    assert caught.value.where == "x"
    assert "s3cr3t" not in str(caught.value)


def test_secrets_are_never_shown() -> None:
    pair = Credentials(access_key_id="key", secret_access_key="s3cr3t", session_token="t0ken")
    for shown in (repr(pair), str(pair), f"{pair}"):
        assert "key" in shown
        assert "s3cr3t" not in shown
        assert "t0ken" not in shown
