from celery_aws.aws.expressions import Expressions
from celery_aws.core.attributes import number, text
from celery_aws.core.conditions import (
    Equals,
    LessThan,
    Missing,
    NotEquals,
    Present,
    all_of,
    any_of,
)


def test_a_condition_becomes_one_expression_with_placeholders() -> None:
    expressions = Expressions()
    condition = any_of(
        Missing("id"),
        all_of(Present("status"), NotEquals("status", text("SUCCESS"))),
        LessThan("ttl", number(5)),
        Equals("timestamp", number(7)),
    )
    assert expressions.condition(condition) == (
        "(attribute_not_exists(#n0))"
        " OR ((attribute_exists(#n1)) AND (#n1 <> :v0))"
        " OR (#n2 < :v1)"
        " OR (#n3 = :v2)"
    )
    assert expressions.parameters() == {
        "ExpressionAttributeNames": {
            "#n0": "id",
            "#n1": "status",
            "#n2": "ttl",
            "#n3": "timestamp",
        },
        "ExpressionAttributeValues": {
            ":v0": text("SUCCESS"),
            ":v1": number(5),
            ":v2": number(7),
        },
    }


def test_one_term_alone_gets_no_parentheses() -> None:
    assert Expressions().condition(all_of(any_of(Missing("id")))) == "attribute_not_exists(#n0)"


def test_an_update_sets_and_adds() -> None:
    expressions = Expressions()
    update = expressions.update(add={"chord_count": 1}, put={"ttl": number(9)})
    assert update == "SET #n0 = :v0 ADD #n1 :v1"
    assert expressions.parameters()["ExpressionAttributeValues"][":v1"] == number(1)


def test_an_update_may_only_add() -> None:
    assert Expressions().update(add={"n": 1}, put={}) == "ADD #n0 :v0"


def test_nothing_used_needs_no_parameters() -> None:
    assert Expressions().parameters() == {}
