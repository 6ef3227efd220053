import pytest

from celery_aws.core.attributes import AttributeValue, binary, number, text
from celery_aws.core.key_range import SortRange


@pytest.mark.parametrize(
    ("low", "high", "inside", "outside"),
    [
        (text("b"), text("d"), ["b", "bz", "d"], ["a", "da"]),
        (text("b"), None, ["b", "\U0001f600"], ["B"]),
        (None, text("b"), ["B", "b"], ["ba"]),
        (None, None, ["a"], []),
        (text("\uff5e"), None, ["\U0001f600"], ["\uff5d"]),
    ],
)
def test_both_ends_are_in_the_range(
    low: AttributeValue | None, high: AttributeValue | None, inside: list[str], outside: list[str]
) -> None:
    sort = SortRange(attribute="at", low=low, high=high)
    assert [sort.contains(text(key)) for key in inside] == [True] * len(inside)
    assert [sort.contains(text(key)) for key in outside] == [False] * len(outside)


def test_numbers_are_compared_by_value() -> None:
    sort = SortRange(attribute="at", low=number(9), high=number(10))
    assert sort.contains({"N": "9.50"})
    assert sort.contains({"N": "1E1"})
    assert not sort.contains(number(11))


def test_bytes_are_compared_as_bytes() -> None:
    assert not SortRange(attribute="at", low=binary(b"\x80")).contains(binary(b"\x7f\xff"))
