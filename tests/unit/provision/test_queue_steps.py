import json
from typing import Any

import pytest

from celery_aws.names import QueueName, QueueUrl
from celery_aws.provision import Difference, Found, FoundQueue, Step, Verdict, plan_of
from tests.unit.provision.account import Account, deployment

ARN = "arn:aws:sqs:us-east-1:000000000000:"
URL = "https://sqs.us-east-1.amazonaws.com/123456789012/celery"


def steps(found: dict[str, FoundQueue], **options: Any) -> dict[str, Step]:
    wanted = deployment(options={"coordination_table": False, **options}, backend=None)
    there = {QueueName(name): queue for name, queue in found.items()}
    return {step.name: step for step in plan_of(wanted, Found(queues=there)).steps}


def queue(name: str, **attributes: str) -> FoundQueue:
    return FoundQueue(
        url=QueueUrl(f"https://sqs.us-east-1.amazonaws.com/000000000000/{name}"),
        attributes={"QueueArn": f"{ARN}{name}", **attributes},
    )


def dead(**attributes: str) -> FoundQueue:
    return queue("celery-dead-letter", MessageRetentionPeriod="1209600", **attributes)


def celery(**attributes: str) -> FoundQueue:
    policy = {"deadLetterTargetArn": f"{ARN}celery-dead-letter", "maxReceiveCount": 10}
    return queue("celery", **{"RedrivePolicy": json.dumps(policy), **attributes})


@pytest.mark.usefixtures("bare_environment")
class TestOurs:
    def test_a_missing_one_shows_what_it_will_be(self) -> None:
        found = steps({}, queue_tags={"team": "web"})
        assert [step.verdict for step in found.values()] == [Verdict.CREATE] * 2
        assert found["celery"].differences == (
            Difference(name="VisibilityTimeout", found=None, wanted="120"),
            Difference(
                name="RedrivePolicy", found=None, wanted="celery-dead-letter after 10 receives"
            ),
            Difference(name="tag team", found=None, wanted="web"),
        )
        assert found["celery"].purpose == "tasks of celery"
        assert found["celery-dead-letter"].purpose == "dead letters of celery"

    def test_one_that_is_right_is_left(self) -> None:
        there = {"celery": celery(VisibilityTimeout="120"), "celery-dead-letter": dead()}
        assert {step.verdict for step in steps(there).values()} == {Verdict.LEAVE}

    def test_drift_is_shown(self) -> None:
        there = {"celery": celery(VisibilityTimeout="7"), "celery-dead-letter": dead()}
        step = steps(there, max_receive_count=3)["celery"]
        assert step.verdict is Verdict.CHANGE
        assert step.differences == (
            Difference(name="VisibilityTimeout", found="7", wanted="120"),
            Difference(
                name="RedrivePolicy",
                found="celery-dead-letter after 10 receives",
                wanted="celery-dead-letter after 3 receives",
            ),
        )

    def test_a_dead_letter_queue_lets_its_queue_in(self) -> None:
        policy = json.dumps({"redrivePermission": "byQueue", "sourceQueueArns": ["x"]})
        there = {"celery-dead-letter": dead(RedriveAllowPolicy=policy)}
        (difference,) = steps(there)["celery-dead-letter"].differences
        assert difference.name == "RedriveAllowPolicy"
        assert f"{ARN}celery" in difference.wanted

    def test_a_dead_letter_queue_that_lets_none_in_is_a_conflict(self) -> None:
        policy = '{"redrivePermission": "denyAll"}'
        there = {
            "celery": celery(VisibilityTimeout="120", RedriveAllowPolicy=policy),
            "celery-dead-letter": dead(RedriveAllowPolicy=policy),
        }
        found = steps(there)
        assert found["celery"].verdict is Verdict.LEAVE
        assert found["celery-dead-letter"].verdict is Verdict.CONFLICT
        assert "allowAll" in found["celery-dead-letter"].conflicts[0]

    def test_a_name_that_sqs_does_not_take_is_a_conflict(self) -> None:
        found = steps({}, queue_name_prefix="x" * 80, max_receive_count=0)
        (step,) = found.values()
        assert step.verdict is Verdict.CONFLICT
        assert "shorten" in step.conflicts[0]

    def test_fifo_is_a_matter_of_the_name(self) -> None:
        attributes = {"FifoQueue": "true"}
        step = steps({}, **{"sqs-creation-attributes": attributes})["celery"]
        assert step.verdict is Verdict.CONFLICT
        assert ".fifo" in step.conflicts[0]


@pytest.mark.usefixtures("bare_environment")
class TestPredefined:
    def found(self, there: dict[str, FoundQueue]) -> Step:
        (step,) = steps(there, predefined_queues={"celery": {"url": URL}}).values()
        return step

    def test_is_only_looked_at(self) -> None:
        step = self.found({"celery": celery(VisibilityTimeout="7")})
        assert (step.verdict, step.differences) == (Verdict.LEAVE, ())
        assert step.notes == ("predefined: only looked at",)

    def test_is_never_made(self) -> None:
        step = self.found({})
        assert step.verdict is Verdict.CONFLICT
        assert "predefined_queues" in step.conflicts[0]

    def test_may_not_be_looked_at(self) -> None:
        step = self.found({"celery": FoundQueue(url=QueueUrl(URL), refusal="not authorized")})
        assert step.verdict is Verdict.LEAVE
        assert "not authorized" in step.notes[0]

    def test_that_is_missing_is_not_made_by_apply(self, account: Account) -> None:
        wanted = deployment(
            options={"predefined_queues": {"celery": {"url": URL}}, "coordination_table": False},
            backend=None,
        )
        assert account.provision(wanted) == []
        assert account.queues.count("CreateQueue") == 0


def test_what_is_left_out_is_said(bare_environment: pytest.MonkeyPatch) -> None:
    wanted = deployment(
        options={"predefined_queues": {"celery": {"url": URL}}},
        task_routes=[{"a": "reports"}, "proj.routing.route"],
    )
    notes = "\n".join(plan_of(wanted, Found()).notes)
    assert "'reports' is not among predefined_queues" in notes
    assert "proj.routing.route" in notes
    assert "inboxes" in notes
