"""How long things may take, so that every run ends."""

from typing import Final

#: Seconds for a test, all its attempts, its setup and its teardown.
TEST_SECONDS: Final = 60.0

#: Tests that wait for longer by design (one for 297 s on Redis), and their limit.
LONG_TEST_SECONDS: Final = 420.0
LONG_TESTS: Final = (
    "allow_error_cb_on_chord_header",
    "test_error_propagates_from_chord",
    "test_fixture_teardown_releases_backend_connections",
)

#: Most attempts at a test that Celery marks as flaky, where it would make six.
ATTEMPTS: Final = 3

#: Seconds before another attempt. Then nothing of the one before is left: the longest is a task
#: with an eta of 5 s, which ``test_scheduled`` would find beside its own.
ATTEMPT_PAUSE_SECONDS: Final = 6

#: Seconds after a test's limit until its process is killed: pytest's own limit cannot interrupt
#: everything, such as a thread that is waited for at the end.
GRACE_SECONDS: Final = 30.0

#: Seconds for what is not a test: imports and collection, and the end of the session's worker.
BETWEEN_TESTS_SECONDS: Final = 120.0

#: Tests in a row that may run into their limits; then the rest of the file is given up.
TIMEOUTS_IN_A_ROW: Final = 5


def of_test(name: str) -> float:
    """Return the limit of a test, in seconds.

    Args:
        name: pytest's node id.
    """
    is_long = any(part in name for part in LONG_TESTS)
    return LONG_TEST_SECONDS if is_long else TEST_SECONDS
