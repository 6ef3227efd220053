import pytest

from celery_aws.aws.expressions import Expressions
from celery_aws.core.attributes import AttributeValue, number, text
from celery_aws.core.conditions import (
    Equals,
    LessThan,
    Missing,
    NotEquals,
    Present,
    all_of,
    any_of,
)
from celery_aws.core.key_range import SortRange


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


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (None, None, "#n0 = :v0"),
        (text("a"), None, "#n0 = :v0 AND #n1 >= :v1"),
        (None, text("b"), "#n0 = :v0 AND #n1 <= :v1"),
        (text("a"), text("b"), "#n0 = :v0 AND #n1 BETWEEN :v1 AND :v2"),
    ],
)
def test_a_key_condition_has_one_term_for_each_part_of_the_key(
    low: AttributeValue | None, high: AttributeValue | None, expected: str
) -> None:
    expressions = Expressions()
    sort = SortRange(attribute="at", low=low, high=high)
    assert expressions.key_condition(("place", text("x")), sort) == expected
    values = [value for value in (text("x"), low, high) if value is not None]
    assert list(expressions.parameters()["ExpressionAttributeValues"].values()) == values


def test_a_projection_shares_the_names_of_the_condition() -> None:
    expressions = Expressions()
    expressions.key_condition(("place", text("x")))
    assert expressions.projection(["status", "place"]) == "#n1, #n0"
    assert expressions.parameters()["ExpressionAttributeNames"] == {"#n0": "place", "#n1": "status"}
