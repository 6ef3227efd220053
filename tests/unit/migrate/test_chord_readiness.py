from typing import Any

import pytest

from celery_aws.errors import WorkersAliveError
from celery_aws.migrate.chord_readiness import refuse_early_moves
from celery_aws.migrate.observations import Observations, SeenWorker
from tests.unit.migrate.scenes import inventory

OLD = SeenWorker(node="old@a", reads_both=True)
NEW = SeenWorker(node="new@b", reads_both=True)


def seen(listeners: int | None = 0, **parts: Any) -> Observations:
    return Observations(inventory=inventory(listeners=listeners), **parts)


@pytest.mark.parametrize(
    "observed",
    [
        seen(),
        seen(new_workers=(NEW,)),
        seen(2, old_workers=(OLD,), new_workers=(NEW,)),
        seen(None, told_gone=True),
        seen(3, told_gone=True),
    ],
    ids=["nobody", "new ones alone", "all look at both", "nobody knows", "something else listens"],
)
def test_chords_are_moved(observed: Observations) -> None:
    refuse_early_moves(observed)


@pytest.mark.parametrize("told_gone", [False, True])
@pytest.mark.parametrize("reads_both", [False, None])
@pytest.mark.parametrize("side", ["old_workers", "new_workers"])
def test_a_worker_that_does_not_look_at_both_is_named(
    side: str, reads_both: bool | None, told_gone: bool
) -> None:
    alone = SeenWorker(node="alone@c", reads_both=reads_both)
    with pytest.raises(WorkersAliveError, match="alone@c") as raised:
        refuse_early_moves(seen(1, told_gone=told_gone, **{side: (alone,)}))
    assert raised.value.names == ("alone@c",)


@pytest.mark.parametrize("listeners", [None, 1])
def test_who_does_not_answer_may_be_a_worker(listeners: int | None) -> None:
    with pytest.raises(WorkersAliveError, match="--even-if-alive"):
        refuse_early_moves(seen(listeners, new_workers=(NEW,)))
