import pytest

from celery_aws.cost.workload import Workload, parse_workload, workload_fields
from celery_aws.cost.workload_fields import NetworkPath
from celery_aws.errors import ConfigurationError


def test_it_is_read_from_names_of_either_spelling() -> None:
    raw = {"tasks": "1_000_000", "results-share": 0.5, "network": "endpoints", "control": "no"}
    assert parse_workload(raw, where="cost.yaml") == Workload(
        tasks=1e6, results_share=0.5, network=NetworkPath.ENDPOINTS, control=False
    )


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ({"task": 1}, "Did you mean 'tasks'"),
        ({"tasks": -1}, "at least 0"),
        ({"tasks": float("inf")}, "at least 0"),
        ({"tasks": True}, "tasks"),
        ({"tasks": "many"}, "tasks"),
        ({"results_share": 1.1}, "a share, from 0 to 1"),
        ({"hours": 731}, "from 0 to 730"),
        ({"network": "vpn"}, "one of public, shared-nat"),
        ({"zones": 0}, "from 1 to 6"),
        ({"peak_factor": 0.5}, "at least 1"),
        ({"results-share": 1, "results_share": 1}, "given twice"),
    ],
)
def test_what_makes_no_sense_is_told(raw: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        parse_workload(raw, where="cost.yaml")


def test_every_field_says_what_it_is() -> None:
    for name, meaning in workload_fields().items():
        assert meaning.endswith("."), name


def test_bytes_of_a_message_as_they_were_measured() -> None:
    # Bodies of tasks with one text argument of so many characters, as `celery_aws` sends them.
    measured = {16: 949, 100: 1_117, 1_000: 2_917, 5_000: 6_943, 36_864: 38_807, 65_000: 66_943}
    for argument, body in measured.items():
        assert Workload(payload_bytes=argument).message_bytes == pytest.approx(body, rel=0.01)
    # The same by kombu's own transport.
    stock = {16: 1_252, 10_240: 20_890, 36_864: 68_198}
    for argument, body in stock.items():
        assert Workload(payload_bytes=argument).stock_message_bytes == pytest.approx(body, rel=0.02)
