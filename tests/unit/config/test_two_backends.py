"""The options of the backend that reads two."""

import pytest

from celery_aws.config.two_backends import parse_two_backends
from celery_aws.errors import ConfigurationError

URLS = {"new_backend": "aws+dynamodb://", "old_backend": "redis://localhost"}


def test_the_defaults_write_to_the_new_one_alone() -> None:
    options = parse_two_backends(URLS)
    assert (options.mirror, options.chords) == (None, "new")
    assert (options.new_options, options.old_options) == ({}, {})


@pytest.mark.parametrize("off", [None, "", "none", False, "off"])
def test_a_mirror_can_be_switched_off_by_the_environment(off: object) -> None:
    assert parse_two_backends({**URLS, "mirror": off}).mirror is None


def test_options_may_be_json() -> None:
    options = parse_two_backends({**URLS, "old_options": '{"global_keyprefix": "p"}'})
    assert options.old_options == {"global_keyprefix": "p"}


def test_a_wrong_url_is_not_shown_with_its_password() -> None:
    with pytest.raises(ConfigurationError) as found:
        parse_two_backends({**URLS, "new_backend": "no scheme://user:secret@host"})
    assert "secret" not in str(found.value)
