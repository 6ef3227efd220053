import pytest

from celery_aws.core.queue_depth import DEPTH_ATTRIBUTES, QueueDepth, queue_depth

ANSWER = {
    "ApproximateNumberOfMessages": "5",
    "ApproximateNumberOfMessagesNotVisible": "2",
    "ApproximateNumberOfMessagesDelayed": "1",
}


def test_an_answer_is_read_whole() -> None:
    assert set(DEPTH_ATTRIBUTES) == set(ANSWER)
    depth = queue_depth({**ANSWER, "QueueArn": "of no interest"})

    assert depth == QueueDepth(visible=5, in_flight=2, delayed=1)
    assert depth.messages == 8


@pytest.mark.parametrize("missing", ANSWER)
def test_what_is_not_told_counts_as_none(missing: str) -> None:
    told = {name: text for name, text in ANSWER.items() if name != missing}

    assert queue_depth(told).messages == 8 - int(ANSWER[missing])


def test_depths_add_up() -> None:
    depths = [
        QueueDepth(visible=1, in_flight=2, delayed=3),
        QueueDepth(visible=10, in_flight=20, delayed=30),
    ]

    assert sum(depths, QueueDepth()) == QueueDepth(visible=11, in_flight=22, delayed=33)
