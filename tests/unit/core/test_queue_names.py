import pytest
from hypothesis import given
from hypothesis import strategies as st
from kombu.transport.SQS import Channel as StockChannel

from celery_aws.core.queue_names import is_fifo, name_of_url, name_problem, queue_name
from celery_aws.limits import SQS_QUEUE_NAME_CHARACTERS
from celery_aws.names import AmqpQueue, QueueName, QueueUrl
from celery_aws.testing.memory_rules import RefusedError, check_queue_name

names = st.one_of(st.text(), st.text().map(lambda name: f"{name}.fifo"))


def stock_name(name: str) -> str:
    # It needs no more of its channel than a method's first argument.
    return str(StockChannel.entity_name(object(), name))


@given(names, st.text(max_size=8))
def test_it_is_the_stock_transports_name(name: str, prefix: str) -> None:
    assert queue_name(AmqpQueue(name), prefix) == stock_name(prefix + name)


@pytest.mark.parametrize(
    ("name", "prefix", "expected"),
    [
        ("celery", "", "celery"),
        ("celery", "hoge-", "hoge-celery"),
        ("a.b:c/d", "", "a-b_c_d"),
        ("orders.v2.fifo", "p.", "p-orders-v2.fifo"),
        ("keep_this-name", "", "keep_this-name"),
    ],
)
def test_examples(name: str, prefix: str, expected: str) -> None:
    assert queue_name(AmqpQueue(name), prefix) == expected


@given(st.text(alphabet="aZ0-_.é ", max_size=90))
def test_a_name_has_a_problem_if_sqs_refuses_it(name: str) -> None:
    refused = False
    try:
        check_queue_name(QueueName(name))
    except RefusedError:
        refused = True

    assert (name_problem(QueueName(name)) is not None) == refused


def test_a_long_name_tells_the_limit_and_the_remedy() -> None:
    problem = name_problem(QueueName("x" * (SQS_QUEUE_NAME_CHARACTERS + 1)))

    assert problem is not None
    assert "81 characters, SQS takes 80" in problem
    assert "queue_name_prefix" in problem


def test_a_bad_character_is_named() -> None:
    assert "'é'" in (name_problem(QueueName("caf\u00e9")) or "")


@pytest.mark.parametrize(("name", "fifo"), [("q.fifo", True), ("q", False), ("q.fifo.x", False)])
def test_fifo_is_told_by_the_suffix(name: str, fifo: bool) -> None:
    assert is_fifo(name) is fifo


@pytest.mark.parametrize("url", ["https://sqs.eu-west-1.amazonaws.com/1/q", "http://h:1/1/q/"])
def test_the_name_is_the_last_part_of_the_url(url: str) -> None:
    assert name_of_url(QueueUrl(url)) == "q"
