import pytest

from celery_aws.migrate.estimate import (
    Pace,
    Requests,
    requests_of_queue,
    requests_of_results,
    seconds_of,
)
from celery_aws.migrate.inventory import QueueCount, ResultCount
from celery_aws.migrate.prices import prices_of
from tests.unit.migrate.scenes import count


def moved(
    queue: QueueCount, *, sent: list[int], parked: int = 0, stored: int = 0, fifo: bool = False
) -> Requests:
    return requests_of_queue(
        queue, priorities_moved=sent, parked=parked, stored=stored, fifo=fifo, claims=False
    )


@pytest.mark.parametrize(
    ("messages", "size", "batches", "billed"),
    [
        (0, 1_000, 0, 0),
        (1, 1_000, 1, 1),
        (10, 1_000, 1, 1),
        (11, 1_000, 2, 2),
        # Ten of 6,554 bytes are 65,540: five bytes over 64 KB.
        (10, 6_554, 1, 2),
        (10, 6_553, 1, 1),
        # One of 600 KB a batch, because two are more than 1 MiB; 614,400 / 65,536 is 9.4.
        (3, 614_400, 3, 30),
        # Two of 400 KB a batch: 819,200 / 65,536 is 12.5, and the third alone 6.25.
        (3, 409_600, 2, 13 + 7),
    ],
)
def test_messages_go_by_ten_and_by_a_megabyte_and_are_billed_by_64_kilobytes(
    messages: int, size: int, batches: int, billed: int
) -> None:
    queue = count("celery", messages, bytes=messages * size)
    found = moved(queue, sent=[messages])
    assert (found.send, found.send_billed) == (batches, billed)


def test_each_priority_has_batches_of_its_own() -> None:
    queue = count("celery", {0: 5, 6: 5}, bytes=10_000)
    assert moved(queue, sent=[5, 5]).send == 2


def test_a_fifo_queue_has_another_price() -> None:
    found = moved(count("orders.fifo", 10, bytes=10), sent=[10], fifo=True)
    assert (found.send_billed, found.send_billed_fifo) == (0, 1)


def test_a_parked_message_is_written_with_what_the_schedule_adds() -> None:
    # 1,000 bytes and 400 more are two units each.
    found = moved(count("celery", 5, bytes=5_000), sent=[0], parked=5)
    assert (found.park, found.park_units, found.send) == (5, 10, 0)


def test_workers_claim_what_is_sent_and_what_is_parked() -> None:
    found = requests_of_queue(
        count("celery", 25), priorities_moved=[20], parked=5, stored=0, fifo=False, claims=True
    )
    assert found.claim == 25


def test_results_are_looked_for_by_a_hundred_and_written_one_by_one() -> None:
    found = requests_of_results(
        ResultCount(
            results={"SUCCESS": 240}, groups=10, chords={"one": (50, 60)}, bytes=300 * 1_000
        )
    )
    assert found.result_look == 3
    assert found.result_look_units == 250
    # Results, groups, parts and the chord itself; 1,000 bytes and 120 more are two units.
    assert found.result_put == 240 + 10 + 50 + 1
    assert found.result_put_units == 2 * 301


def test_no_results_cost_nothing() -> None:
    assert requests_of_results(ResultCount(results={})) == Requests()


def test_dollars_are_those_of_the_region() -> None:
    requests = Requests(
        send_billed=1_000_000,
        send_billed_fifo=1_000_000,
        park_units=1_000_000,
        claim=1_000_000,
        result_put_units=1_000_000,
        result_look_units=1_000_000,
        object_put=1_000,
    )
    assert requests.dollars(prices_of("us-east-1")) == pytest.approx(
        0.40 + 0.50 + 3 * 0.625 + 0.125 + 0.005
    )
    assert requests.dollars(prices_of("ap-northeast-1")) == pytest.approx(
        0.40 + 0.50 + 3 * 0.715 + 0.1425 + 0.0047
    )


@pytest.mark.parametrize("region", ["eu-west-1", None])
def test_other_regions_are_told_those_of_us_east_1(region: str | None) -> None:
    assert prices_of(region).region == "us-east-1"


def test_threads_share_the_work_and_a_rate_holds_them_back() -> None:
    requests = Requests(send=1_000, result_put=1_000)
    alone = seconds_of(requests, messages=10_000, results=1_000, pace=Pace(threads=1))
    assert alone == pytest.approx(1_000 * 0.025 + 1_000 * 0.008)
    four = seconds_of(requests, messages=10_000, results=1_000, pace=Pace(threads=4))
    assert four == pytest.approx(alone / 4)
    held = seconds_of(requests, messages=10_000, results=1_000, pace=Pace(threads=4, rate=100.0))
    assert held == pytest.approx(100 + 10)
