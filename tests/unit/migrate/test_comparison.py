"""What differs between two sides."""

import pytest

from celery_aws.migrate.comparison import (
    ComparedMessages,
    ComparedResult,
    message_differences,
    result_difference,
    result_differences,
)
from celery_aws.migrate.verification import SHOWN, Difference, Verification
from celery_aws.names import AmqpQueue

NOW = 1_000_000.0


def kinds(found: ComparedMessages) -> dict[str, int]:
    return {each.name: each.count for each in message_differences(found)}


def test_two_sides_that_agree() -> None:
    same = frozenset({"key-1"})
    found = ComparedMessages(
        left={AmqpQueue("celery"): 0}, held=0, set_aside=same, in_file=same, waiting=5
    )
    assert kinds(found) == {}


def test_each_difference_has_its_name_and_count() -> None:
    found = ComparedMessages(
        left={AmqpQueue("celery"): 2, AmqpQueue("mail"): 3},
        delayed=1,
        claimed=4,
        held=5,
        incomplete="some queues cannot be seen",
        set_aside=frozenset({"a", "b"}),
        in_file=frozenset({"b", "c", "d"}),
        unseen=("id-1", "id-2", "id-3"),
        waiting=1,
    )
    assert kinds(found) == {
        "messages-left": 6,
        "messages-claimed": 4,
        "messages-held": 5,
        "queues-unseen": 1,
        "quarantine-missing": 1,
        "quarantine-unrecorded": 2,
        "messages-missing": 2,
    }


def test_what_is_missing_is_named_if_nothing_else_waits() -> None:
    found = ComparedMessages(unseen=("id-1", "id-2"))
    [difference] = message_differences(found)
    assert difference.examples == ("id-1", "id-2")
    assert "some of these" not in difference.what


def test_what_queues_may_have_is_not_missing() -> None:
    assert kinds(ComparedMessages(unseen=("id-1", "id-2"), waiting=2)) == {}
    [difference] = message_differences(ComparedMessages(unseen=("id-1", "id-2"), waiting=1))
    assert "some of these" in difference.what


def test_only_the_first_are_shown() -> None:
    ids = tuple(f"id-{number}" for number in range(SHOWN + 5))
    [difference] = message_differences(ComparedMessages(unseen=ids))
    assert (len(difference.examples), difference.count) == (SHOWN, SHOWN + 5)
    lines = list(Verification(moved={"sent": 25}, differences=(difference,)).lines())
    assert "    * and 5 more" in lines


def result(status: str = "SUCCESS", left: float | None = 1_000.0) -> ComparedResult:
    return ComparedResult(status=status, ends_at=None if left is None else NOW + left)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (result(), result(), None),
        (result(), None, "results-missing"),
        (result(left=59.0), None, None),
        (result(left=61.0), None, "results-missing"),
        (result(left=None), None, "results-missing"),
        (result(left=1_000.0), result(left=1_060.0), None),
        (result(left=1_000.0), result(left=1_061.0), "results-life"),
        (result(left=1_000.0), result(left=939.0), "results-life"),
        (result(left=None), result(left=None), None),
        (result(left=None), result(left=1_000.0), "results-life"),
        (result(left=1_000.0), result(left=None), "results-life"),
        # What came later has a life of its own.
        (result("STARTED"), result("SUCCESS", 90_000.0), None),
        (result("FAILURE"), result("SUCCESS"), None),
        (result("RETRY"), result("STARTED"), None),
        (result("PROGRESS"), result("FAILURE"), None),
        (result("SUCCESS"), result("FAILURE"), "results-older"),
        (result("SUCCESS"), result("STARTED"), "results-older"),
        (result("FAILURE"), result("RETRY"), "results-older"),
        (result(""), result(""), None),
    ],
)
def test_results_are_compared(
    old: ComparedResult, new: ComparedResult | None, expected: str | None
) -> None:
    assert result_difference(old, new, now=NOW) == expected


def test_differences_of_results_are_named() -> None:
    found = list(result_differences({"results-missing": ["a", "b"], "results-life": ["c"]}))
    assert [(each.name, each.count, each.examples) for each in found] == [
        ("results-missing", 2, ("a", "b")),
        ("results-life", 1, ("c",)),
    ]


def test_a_verification_for_people_and_programs() -> None:
    clean = Verification(moved={"sent": 3, "revoked": 1}, begun=2, waiting=1, results=9)
    assert clean.clean
    assert list(clean.lines()) == [
        "Messages: 1 revoked, 3 sent.",
        "    Of those sent, workers have received 2; 1 wait.",
        "Results: 9 compared.",
        "No difference.",
    ]
    difference = Difference(
        name="messages-claimed", what="a run", count=4, examples=("x",), remedy="wait"
    )
    found = Verification(moved={}, sampled=True, differences=(difference,), notes=("look",))
    assert not found.clean
    assert found.facts() == {
        "moved": {},
        "begun": 0,
        "waiting": 0,
        "results": 0,
        "sampled": True,
        "clean": False,
        "notes": ["look"],
        "differences": [
            {
                "name": "messages-claimed",
                "what": "a run",
                "count": 4,
                "examples": ["x"],
                "remedy": "wait",
            }
        ],
    }
    assert "    Remedy: wait" in list(found.lines())
