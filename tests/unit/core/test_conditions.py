from hypothesis import given
from hypothesis import strategies as st

from celery_aws.core.attributes import AttributeValue, binary, number, text
from celery_aws.core.conditions import (
    Equals,
    LessThan,
    Missing,
    NotEquals,
    Present,
    all_of,
    any_of,
    holds,
)

VALUES = st.one_of(
    st.text("ab", max_size=2).map(text),
    st.integers(-3, 3).map(number),
    st.binary(max_size=2).map(binary),
)
ITEMS = st.dictionaries(st.sampled_from("ab"), VALUES)


def test_numbers_are_compared_by_value() -> None:
    assert holds(Equals("n", {"N": "1.0"}), {"n": {"N": "1"}})
    assert holds(LessThan("n", number(10)), {"n": number(9)})


def test_texts_are_compared_by_order() -> None:
    assert not holds(LessThan("n", text("10")), {"n": text("9")})


@given(ITEMS)
def test_an_attribute_is_missing_or_present(item: dict[str, AttributeValue]) -> None:
    assert holds(Missing("a"), item) is ("a" not in item)
    assert holds(Present("a"), item) is ("a" in item)


@given(ITEMS, VALUES)
def test_not_equals_is_the_opposite_of_equals(
    item: dict[str, AttributeValue], value: AttributeValue
) -> None:
    assert holds(NotEquals("a", value), item) is not holds(Equals("a", value), item)


@given(VALUES)
def test_a_missing_attribute_differs_from_everything_and_is_less_than_nothing(
    value: AttributeValue,
) -> None:
    assert holds(NotEquals("a", value), {})
    assert not holds(Equals("a", value), {})
    assert not holds(LessThan("a", value), {})


@given(VALUES, VALUES)
def test_only_values_of_one_type_have_an_order(left: AttributeValue, right: AttributeValue) -> None:
    item = {"a": left}
    ordered = [
        holds(LessThan("a", right), item),
        holds(LessThan("a", left), {"a": right}),
        holds(Equals("a", right), item),
    ]
    assert sum(ordered) == (1 if left.keys() == right.keys() else 0)


@given(ITEMS, VALUES)
def test_and_or(item: dict[str, AttributeValue], value: AttributeValue) -> None:
    terms = (Present("a"), Equals("b", value))
    truths = [holds(term, item) for term in terms]
    assert holds(all_of(*terms), item) is all(truths)
    assert holds(any_of(*terms), item) is any(truths)
