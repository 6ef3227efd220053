import threading

from celery_aws.testing.request_tally import RequestTally


def test_counts_by_name_and_by_pattern() -> None:
    tally = RequestTally()
    for name in ("sqs.SendMessage", "sqs.SendMessage", "sqs.DeleteMessage", "s3.PUT"):
        tally.count(name)

    assert tally.counts() == {"sqs.SendMessage": 2, "sqs.DeleteMessage": 1, "s3.PUT": 1}
    assert (tally.total(), tally.total("sqs.*"), tally.total("sqs.Purge*")) == (4, 3, 0)


def test_what_it_returns_is_a_copy() -> None:
    tally = RequestTally()
    tally.counts()["sqs.SendMessage"] = 9

    assert tally.total() == 0


def test_waits_for_what_another_thread_counts() -> None:
    tally = RequestTally()
    tally.count("sqs.SendMessage")
    counting = threading.Thread(target=tally.count, args=("sqs.SendMessage",))
    counting.start()

    assert tally.wait_for("sqs.*", count=2, timeout_seconds=10)
    assert not tally.wait_for("sqs.*", count=3, timeout_seconds=0)
    counting.join(10)
