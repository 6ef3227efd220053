"""What was asked between two moments, and its price."""

from bench.cloud.tally import Tally
from bench.cloud.usage import CloudUsage


def test_between_two_moments() -> None:
    early = CloudUsage(requests={("sqs.SendMessage", "q"): 2}, cpu_seconds=1, seconds=10)
    late = CloudUsage(
        requests={("sqs.SendMessage", "q"): 2, ("dynamodb.PutItem", "t"): 3},
        cpu_seconds=3,
        seconds=14,
    )
    between = late.since(early)
    assert between.requests == {("dynamodb.PutItem", "t"): 3}
    assert (between.cpu_seconds, between.seconds) == (2, 4)
    assert between.count("dynamodb.PutItem") == 3
    assert between.count("dynamodb.PutItem", "other") == 0


def test_dollars_of_a_million() -> None:
    million = 1_000_000
    units = {
        ("sqs.SendMessage", "q"): million,
        ("dynamodb.PutItem", "t"): million,
        ("dynamodb.GetItem", "t"): million,
    }
    assert CloudUsage(units=units).dollars == 0.40 + 0.625 + 0.125


def test_a_tally_has_a_row_for_each_resource() -> None:
    tally = Tally()
    tally.add("sqs.SendMessage", "q", 2)
    tally.add("sqs.SendMessage", "q")
    tally.add("sqs.SendMessage", "other")
    assert tally.rows() == [["sqs.SendMessage", "q", 2, 3.0], ["sqs.SendMessage", "other", 1, 1.0]]
