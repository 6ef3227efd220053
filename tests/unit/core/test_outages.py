import pytest

from celery_aws.core.outages import Outage
from celery_aws.errors import UnreachableError


def test_until_it_is_over_everybody_is_told_why() -> None:
    error = UnreachableError("no answer")
    outage = Outage(error, over_at=5.0)

    for now in (0.0, 4.9):
        with pytest.raises(UnreachableError) as raised:
            outage.raise_if_on(now)
        assert raised.value is error
    outage.raise_if_on(5.0)


def test_the_error_does_not_grow_with_those_who_meet_it() -> None:
    error = UnreachableError("no answer")

    def frames() -> int:
        with pytest.raises(UnreachableError):
            Outage(error, over_at=1.0).raise_if_on(0.0)
        count, traceback = 0, error.__traceback__
        while traceback is not None:
            count, traceback = count + 1, traceback.tb_next
        return count

    assert frames() == frames()
