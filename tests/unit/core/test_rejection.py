import pytest

from celery_aws.core.rejection import BackoffPolicy, Fate, Rejection, rejection

POLICY = BackoffPolicy(tasks=("shop.pay",), seconds_by_receive={1: 10, 2: 60})


@pytest.mark.parametrize(
    ("requeue", "task", "receive_count", "understood", "expected"),
    [
        (True, "shop.mail", 1, False, Rejection(fate=Fate.GIVE_BACK)),
        (True, "shop.mail", 1, True, Rejection(fate=Fate.GIVE_BACK)),
        (False, "shop.mail", 1, True, Rejection(fate=Fate.MOVE_OR_DELETE)),
        (False, "shop.mail", 1, False, Rejection(fate=Fate.LEAVE_OR_DELETE)),
        (False, None, 1, False, Rejection(fate=Fate.LEAVE_OR_DELETE)),
        (False, "shop.pay", 1, False, Rejection(fate=Fate.GIVE_BACK, visible_in_seconds=10)),
        (False, "shop.pay", 2, True, Rejection(fate=Fate.GIVE_BACK, visible_in_seconds=60)),
        (True, "shop.pay", 2, False, Rejection(fate=Fate.GIVE_BACK, visible_in_seconds=60)),
        (False, "shop.pay", 3, False, Rejection(fate=Fate.LEAVE)),
        (True, "shop.pay", 3, False, Rejection(fate=Fate.GIVE_BACK)),
    ],
)
def test_the_fate_of_a_rejected_message(
    requeue: bool, task: str | None, receive_count: int, understood: bool, expected: Rejection
) -> None:
    decided = rejection(
        requeue=requeue,
        task=task,
        receive_count=receive_count,
        policy=POLICY,
        understood=understood,
    )
    assert decided == expected
