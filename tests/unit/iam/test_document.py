import json

from hypothesis import given
from hypothesis import strategies as st

from celery_aws.iam.document import PolicyDocument, Statement, split
from celery_aws.limits import IAM_MANAGED_POLICY_CHARACTERS

ACTIONS = ("sqs:GetQueueUrl", "sqs:SendMessage")


def queues(count: int, name: str = "queue") -> tuple[str, ...]:
    return tuple(f"arn:aws:sqs:eu-west-1:123456789012:{name}-{n:04}" for n in range(count))


def test_json() -> None:
    statement = Statement(
        sid="Send",
        actions=("sqs:SendMessage",),
        resources=("arn:one", "arn:two"),
        conditions={"StringEquals": {"key": ("value",)}},
    )
    assert PolicyDocument(statements=(statement,)).as_json() == {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "Send",
                "Effect": "Allow",
                "Action": "sqs:SendMessage",
                "Resource": ["arn:one", "arn:two"],
                "Condition": {"StringEquals": {"key": "value"}},
            }
        ],
    }


def test_white_space_is_free() -> None:
    document = PolicyDocument(
        statements=(Statement(sid="A", actions=ACTIONS, resources=queues(2)),)
    )
    assert document.characters == len("".join(document.text().split()))
    assert json.loads(document.text()) == document.as_json()


def test_what_fits_is_not_split() -> None:
    document = PolicyDocument(
        statements=tuple(
            Statement(sid=sid, actions=ACTIONS, resources=queues(3)) for sid in ("A", "B")
        )
    )
    assert split(document) == [document]


def allowed(documents: list[PolicyDocument]) -> set[tuple[str, str]]:
    return {
        (action, resource)
        for document in documents
        for statement in document.statements
        for action in statement.actions
        for resource in statement.resources
    }


@given(st.lists(st.integers(min_value=1, max_value=400), min_size=1, max_size=4))
def test_parts_fit_and_say_the_same(counts: list[int]) -> None:
    document = PolicyDocument(
        statements=tuple(
            Statement(sid=f"S{number}x", actions=ACTIONS, resources=queues(count, f"q{number}"))
            for number, count in enumerate(counts)
        )
    )

    documents = split(document)

    assert all(each.characters <= IAM_MANAGED_POLICY_CHARACTERS for each in documents)
    assert allowed(documents) == allowed([document])
    sids = [statement.sid for each in documents for statement in each.statements]
    assert len(sids) == len(set(sids))


def test_without() -> None:
    statements = tuple(
        Statement(sid=sid, actions=ACTIONS, resources=queues(1)) for sid in ("A", "B")
    )
    assert [each.sid for each in PolicyDocument(statements=statements).without("A").statements] == [
        "B"
    ]
