"""``dlq redrive``: where dead letters go, and that none is lost on the way."""

import signal
from collections.abc import Sequence

import pytest
from kombu import Queue

from celery_aws.core.parked_messages import maybe_sent_before
from celery_aws.dlq.letters import Letter
from celery_aws.dlq.moving import Mover
from celery_aws.errors import AccessDeniedError, ThrottledError, UnreachableError
from celery_aws.names import QueueName
from celery_aws.testing.clock import FakeClock
from tests.unit.cli.conftest import BUCKET, DEAD, Graveyard


def operations(graveyard: Graveyard) -> list[str]:
    return [call.operation for call in graveyard.shop.sqs.calls]


def test_it_asks_first(graveyard: Graveyard) -> None:
    graveyard.bury("one")

    refused = graveyard.run("redrive", "celery", "--all", typed="n\n")

    assert refused.exit_code == 1
    assert "Will send all, about 1, of celery-dead-letter to celery." in refused.stderr
    assert graveyard.ids() == ["one"]
    assert "StartMessageMoveTask" not in operations(graveyard)
    assert graveyard.run("redrive", "celery", "--all", typed="y\n").exit_code == 0
    assert (graveyard.ids(), graveyard.ids("celery")) == ([], ["one"])


@pytest.mark.parametrize("arguments", [[], ["--all", "--task", "shop.mail"]])
def test_nobody_means_all_by_saying_nothing(graveyard: Graveyard, arguments: list[str]) -> None:
    graveyard.bury("one")

    ended = graveyard.run("redrive", "celery", "--yes", *arguments)

    assert ended.exit_code == 2
    assert "either --all or a filter" in ended.stderr
    assert graveyard.ids() == ["one"]


def test_sqs_moves_all_where_there_is_one_source(graveyard: Graveyard) -> None:
    graveyard.bury(*map(str, range(8)))
    graveyard.reject("rejected")

    report = graveyard.json("redrive", "celery", "--all", "--yes")

    assert report == {
        "queue": DEAD,
        "moved": 9,
        "by": "SQS",
        "status": "COMPLETED",
        "failure": None,
    }
    assert len(graveyard.ids("celery")) == 9
    assert "SendMessageBatch" not in operations(graveyard)


@pytest.mark.parametrize("operation", ["StartMessageMoveTask", "ListDeadLetterSourceQueues"])
def test_what_sqs_does_not_do_is_done_from_here(graveyard: Graveyard, operation: str) -> None:
    graveyard.bury("one", "two")
    graveyard.reject("three")
    graveyard.shop.sqs.faults.fail(operation, AccessDeniedError("not granted"))

    report = graveyard.json("redrive", "celery", "--all", "--yes")

    assert report == {"queue": DEAD, "moved": 3, "by": "command", "left": [], "maybe_twice": []}
    assert (graveyard.ids(), graveyard.ids("celery")) == ([], ["one", "three", "two"])
    (message, *_) = graveyard.shop.sqs.messages(QueueName("celery"))
    assert message.receive_count == 0


def test_a_move_under_way_is_told_and_can_be_cancelled(graveyard: Graveyard) -> None:
    graveyard.bury("one")
    graveyard.run("redrive", "celery", "--all", typed="n\n")
    arn = graveyard.json("list")["queues"][0]["arn"]
    graveyard.operators.start_move(arn, None)

    beside = graveyard.run("redrive", "celery", "--task", "*", "--yes")
    cancelled = graveyard.run("redrive", "celery", "--cancel")
    again = graveyard.run("redrive", "celery", "--cancel")

    assert beside.exit_code == 1
    assert "a redrive of celery-dead-letter already" in beside.stderr
    assert (cancelled.exit_code, again.exit_code) == (0, 1)
    assert graveyard.run("redrive", "celery", "--task", "*", "--yes").exit_code == 0
    assert graveyard.ids("celery") == ["one"]


def test_only_those_that_are_wanted(graveyard: Graveyard) -> None:
    graveyard.bury("one", "two")
    graveyard.bury("three", task="shop.pay")

    ended = graveyard.run("redrive", "celery", "--task", "shop.p*", "--yes")

    assert ended.stdout == "1 message(s) sent back\n"
    assert (graveyard.ids(), graveyard.ids("celery")) == (["one", "two"], ["three"])
    assert graveyard.hidden() == 0
    assert "StartMessageMoveTask" not in operations(graveyard)


def test_a_copy_says_that_it_may_have_been_sent_before(graveyard: Graveyard) -> None:
    graveyard.bury("one")
    graveyard.bury("big", headers={"padding": "x" * 262_000})
    graveyard.send("no task at all")

    graveyard.json("redrive", "celery", "--since", "2020-01-01", "--yes")

    copies = graveyard.shop.sqs.messages(QueueName("celery"))
    marked = {each.body: maybe_sent_before(each.attributes) for each in copies}
    sizes = sorted((len(body), again) for body, again in marked.items())
    # What is nearly too large goes without, rather than not at all.
    assert [again for _, again in sizes] == [False, True, False]


def test_no_more_than_the_limit(graveyard: Graveyard) -> None:
    graveyard.bury(*map(str, range(25)))

    graveyard.run("redrive", "celery", "--all", "--limit", "13", "--yes")

    assert (len(graveyard.ids()), len(graveyard.ids("celery"))) == (12, 13)
    assert graveyard.hidden() == 0


def test_to_another_queue_by_the_priority_of_each(graveyard: Graveyard) -> None:
    queue = Queue("mail", max_priority=9)
    graveyard.shop.app.conf.task_queues = [Queue("celery"), queue]
    graveyard.bury("low")
    graveyard.bury("high", queue="mail", priority=9)
    graveyard.reject("rejected", queue="mail", priority=9)

    ended = graveyard.run("redrive", "celery", "--all", "--to", "mail", "--yes")

    assert ended.exit_code == 0, ended.output
    assert graveyard.ids("mail") == ["low"]
    assert graveyard.ids("mail-priority-9") == ["rejected"]


def test_back_to_the_step_of_the_priority(graveyard: Graveyard) -> None:
    dead = QueueName("mail-dead-letter")
    graveyard.shop.app.conf.task_queues = [Queue("mail", max_priority=9)]
    graveyard.bury("low", queue="mail")
    graveyard.bury("high", queue="mail", priority=9)
    graveyard.reject("rejected", queue="mail", priority=9, dead=dead)
    graveyard.reject("rejected low", queue="mail", dead=dead)

    ended = graveyard.run("redrive", "mail", "--all", "--yes")

    assert ended.exit_code == 0, ended.output
    assert graveyard.ids("mail") == ["low", "rejected low"]
    assert graveyard.ids("mail-priority-9") == ["high", "rejected"]
    assert graveyard.ids(dead) == []


def test_of_several_sources_the_one_that_it_was_published_to(graveyard: Graveyard) -> None:
    shop = graveyard.shop
    shop.app.conf.task_queues = [Queue("celery"), Queue("pay")]
    graveyard.bury("one")
    policy = shop.sqs.queue_attributes(shop.sqs.queue_url(QueueName("celery")), ["RedrivePolicy"])
    shop.sqs.create_queue(QueueName("pay"), policy, {})
    graveyard.bury("two", queue="pay")
    graveyard.reject("three", queue="pay")
    graveyard.send("from nowhere")

    report = graveyard.json("redrive", "celery", "--all", "--yes", exit_code=1)

    assert (report["moved"], len(report["left"])) == (3, 1)
    assert "name a queue by --to" in report["left"][0]["reason"]
    assert (graveyard.ids("celery"), graveyard.ids("pay")) == (["one"], ["three", "two"])
    assert [each.body for each in shop.sqs.messages(DEAD)] == ["from nowhere"]
    assert graveyard.hidden() == 0


def test_a_source_that_is_gone_is_said(graveyard: Graveyard) -> None:
    graveyard.bury("one")
    graveyard.shop.sqs.delete_queue(graveyard.shop.sqs.queue_url(QueueName("celery")))

    ended = graveyard.run("redrive", DEAD, "--all", "--yes")

    assert ended.exit_code == 1
    assert "the queue that it came from is gone" in ended.stderr
    assert graveyard.ids() == ["one"]


def test_a_queue_of_another_type_is_refused(graveyard: Graveyard) -> None:
    graveyard.bury("one")
    graveyard.bury("two", queue="orders.fifo")

    ended = graveyard.run("redrive", "celery", "--all", "--to", "orders.fifo", "--yes")

    assert ended.exit_code == 2
    assert "must both be FIFO queues, or neither" in ended.stderr


def test_a_fifo_queue_keeps_its_order(graveyard: Graveyard) -> None:
    graveyard.fifo(*(f"{number:02}" for number in range(25)), group="a")
    graveyard.fifo("b1", "b2", group="b")
    graveyard.shop.sqs.faults.fail("StartMessageMoveTask", AccessDeniedError("not granted"))

    report = graveyard.json("redrive", "orders.fifo", "--all", "--yes")

    assert report["moved"] == 27
    moved = graveyard.shop.sqs.messages(QueueName("orders.fifo"))
    groups = {
        group: [graveyard.id_of(each) for each in moved if each.group == group]
        for group in ("a", "b")
    }
    assert groups == {"a": [f"{number:02}" for number in range(25)], "b": ["b1", "b2"]}


def test_a_busy_sqs_is_asked_again(graveyard: Graveyard, clock: FakeClock) -> None:
    graveyard.bury("one", "two")
    graveyard.shop.sqs.faults.fail("SendMessageBatch", ThrottledError("slow down"), times=3)
    graveyard.shop.sqs.faults.fail("DeleteMessageBatch", ThrottledError("slow down"), times=2)

    report = graveyard.json("redrive", "celery", "--task", "*", "--yes")

    assert (report["moved"], report["maybe_twice"]) == (2, [])
    assert (graveyard.ids(), graveyard.ids("celery")) == ([], ["one", "two"])
    assert len(clock.sleeps) == 5


def test_an_answer_that_was_lost_is_told_and_ends_it(graveyard: Graveyard) -> None:
    graveyard.bury(*map(str, range(12)))
    graveyard.shop.sqs.faults.lose_reply("SendMessageBatch")

    ended = graveyard.run("redrive", "celery", "--task", "*", "--yes", "--json")

    assert ended.exit_code == 3
    assert ended.stderr.count("was sent, or may have been") == 10
    assert len(graveyard.ids("celery")) == 10
    assert len(graveyard.ids()) == 12
    assert graveyard.hidden() == 0


def test_into_a_fifo_queue_it_is_sent_again_and_is_there_once(graveyard: Graveyard) -> None:
    graveyard.fifo("one", "two", group="a")
    graveyard.shop.sqs.faults.lose_reply("SendMessageBatch")

    report = graveyard.json("redrive", "orders.fifo", "--task", "*", "--yes")

    assert (report["moved"], report["maybe_twice"]) == (2, [])
    assert graveyard.ids("orders.fifo") == ["one", "two"]
    assert graveyard.ids("orders-dead-letter.fifo") == []


def test_what_cannot_be_deleted_is_told(graveyard: Graveyard) -> None:
    graveyard.bury("one", "two")
    graveyard.shop.sqs.faults.fail("DeleteMessageBatch", UnreachableError("gone"), times=9)

    report = graveyard.json("redrive", "celery", "--task", "*", "--yes", exit_code=1)

    assert report["moved"] == 0
    assert [each["id"] for each in report["maybe_twice"]] == ["one", "two"]
    assert (graveyard.ids(), graveyard.ids("celery")) == (["one", "two"], ["one", "two"])


def test_what_sqs_refuses_stays(graveyard: Graveyard) -> None:
    graveyard.bury("one", "two")
    graveyard.shop.sqs.faults.refuse_entries(
        "SendMessageBatch", code="InvalidMessageContents", sender_fault=True
    )

    report = graveyard.json("redrive", "celery", "--task", "*", "--yes", exit_code=1)

    assert report["moved"] == 1
    assert [each["id"] for each in report["left"]] == ["one"]
    assert (graveyard.ids(), graveyard.ids("celery")) == (["one"], ["two"])


def test_a_large_message_goes_as_it_is(graveyard: Graveyard) -> None:
    graveyard.shop.options(large_message_bucket=BUCKET, large_message_threshold_bytes=10)
    graveyard.bury("one")
    stored = graveyard.shop.s3.objects(BUCKET)
    before = graveyard.shop.sqs.messages(DEAD)[0]

    assert graveyard.run("redrive", "celery", "--id", "one", "--yes").exit_code == 0

    (after,) = graveyard.shop.sqs.messages(QueueName("celery"))
    assert after.body == before.body
    assert after.attributes.items() > before.attributes.items()
    assert graveyard.shop.s3.objects(BUCKET) == stored != {}


def test_who_wants_it_to_stop_is_heard_between_two_requests(
    graveyard: Graveyard, monkeypatch: pytest.MonkeyPatch
) -> None:
    graveyard.bury(*map(str, range(25)))

    def move(mover: Mover, letters: Sequence[Letter]) -> None:
        original(mover, letters)
        signal.raise_signal(signal.SIGTERM)

    original = Mover.move
    monkeypatch.setattr(Mover, "move", move)

    ended = graveyard.run("redrive", "celery", "--task", "*", "--yes")

    assert "Stopping after what is under way" in ended.stderr
    assert ended.stdout == "10 message(s) sent back\n"
    assert (len(graveyard.ids()), len(graveyard.ids("celery"))) == (15, 10)
    assert graveyard.hidden() == 0
