import pytest

from celery_aws.clock import SystemClock
from celery_aws.migrate.redis.inventory import FIRST_PAGE, MESSAGE_PAGE, page_size
from celery_aws.migrate.redis.looking import Look


@pytest.mark.parametrize(
    ("messages", "total_bytes", "size"),
    [
        (0, 0, FIRST_PAGE),
        (10, 10_000, MESSAGE_PAGE),
        (10, 500_000, 20),
        (1, 5_000_000, 1),
        (3, 0, MESSAGE_PAGE),
    ],
)
def test_a_page_has_so_many_messages_that_nobody_waits_for_it(
    messages: int, total_bytes: int, size: int
) -> None:
    look = Look(now=SystemClock().now(), messages=messages, total_bytes=total_bytes)

    assert page_size(look) == size
