from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from celery_aws.aws.access import Access
from celery_aws.aws.bucket_administration import Lifecycle
from celery_aws.deployment import PlannedBucket
from celery_aws.names import BucketName
from celery_aws.provision import Found, FoundBucket, Step, Verdict, plan_of
from celery_aws.provision.bucket_rules import BucketRule, is_kept, rules_of, with_rule
from tests.unit.provision.account import deployment

pytestmark = pytest.mark.usefixtures("bare_environment")

BIG = BucketName("big")
DAY = 86_400


def step(found: FoundBucket | None, *, prefix: str = "tasks/", **conf: Any) -> Step:
    wanted = deployment(
        options={
            "coordination_table": False,
            "large_message_bucket": BIG,
            "large_message_prefix": prefix,
        },
        backend=None,
        **conf,
    )
    plan = plan_of(wanted, Found(buckets={} if found is None else {BIG: found}))
    return next(each for each in plan.steps if each.kind == "bucket")


def rule(days: int, *, prefix: str = "tasks/", name: str = "x", **more: Any) -> dict[str, Any]:
    return {
        "ID": name,
        "Status": "Enabled",
        "Filter": {"Prefix": prefix},
        "Expiration": {"Days": days},
        **more,
    }


def used(*rules: dict[str, Any], **changes: Any) -> FoundBucket:
    found = FoundBucket(region="us-east-1", lifecycle=Lifecycle(rules=rules), has_objects=True)
    return replace(found, **changes)


def test_a_missing_one_shows_what_it_will_be() -> None:
    made = step(None)
    assert made.verdict is Verdict.CREATE
    assert [(each.name, each.wanted) for each in made.differences] == [
        ("PublicAccessBlock", "all blocked"),
        ("Encryption", "AES256"),
        # Four days in the queue and 14 in the dead-letter queue, once more after a redrive.
        ("lifecycle rule celery-aws-messages:tasks/", "37 days under 'tasks/'"),
    ]


def test_of_one_in_use_only_our_rule_is_ours() -> None:
    made = step(used(public_access_blocked=False, encrypted=False))
    assert made.changed == {"lifecycle rule celery-aws-messages:tasks/"}


def test_one_with_our_rule_is_left() -> None:
    ours = rule(37, name="celery-aws-messages:tasks/")
    assert step(used(ours)).verdict is Verdict.LEAVE


@pytest.mark.parametrize("days", [19, 30, 400])
def test_a_rule_that_keeps_for_long_enough_is_left_whose_ever_it_is(days: int) -> None:
    assert step(used(rule(days))).verdict is Verdict.LEAVE


def test_a_rule_of_ours_that_expires_too_early_is_drift() -> None:
    made = step(used(rule(18, name="celery-aws-messages:tasks/")))
    (difference,) = made.differences
    assert (difference.found, difference.wanted) == (
        "18 days under 'tasks/'",
        "37 days under 'tasks/'",
    )


def test_a_rule_of_ours_that_is_switched_off_is_drift() -> None:
    off = rule(37, name="celery-aws-messages:tasks/", Status="Disabled")
    (difference,) = step(used(off)).differences
    assert difference.found == "37 days under 'tasks/', not enabled"


@pytest.mark.parametrize("prefix", ["", "ta", "tasks/"])
def test_a_rule_of_others_that_expires_too_early_is_told(prefix: str) -> None:
    made = step(used(rule(3, prefix=prefix)))
    assert made.verdict is Verdict.CHANGE
    assert "'x', which is not ours, lets messages expire after 3 days" in made.notes[0]


@pytest.mark.parametrize(
    "theirs",
    [
        rule(3, prefix="tasks/other"),
        rule(3, Status="Disabled"),
        rule(3, Filter={"And": {"Prefix": "tasks/", "Tags": []}}),
        rule(3, Expiration={}),
    ],
)
def test_a_rule_that_is_for_something_else_is_not(theirs: dict[str, Any]) -> None:
    assert step(used(theirs)).notes == ()


def test_a_rule_for_everything_in_a_bucket_of_others_is_a_conflict() -> None:
    made = step(used(), prefix="")
    assert made.verdict is Verdict.CONFLICT
    assert "large_message_prefix" in made.conflicts[0]


def test_a_rule_for_everything_in_a_bucket_of_our_own_is_none() -> None:
    assert step(None, prefix="").verdict is Verdict.CREATE
    assert step(FoundBucket(region="us-east-1"), prefix="").verdict is Verdict.CHANGE
    assert step(used(rule(30, prefix="")), prefix="").verdict is Verdict.LEAVE


def test_a_bucket_elsewhere_is_a_conflict() -> None:
    made = step(used(region="eu-west-1"))
    assert made.verdict is Verdict.CONFLICT
    assert "it is in eu-west-1, and is used from us-east-1" in made.conflicts[0]


def test_what_is_kept_for_ever_has_no_rule() -> None:
    wanted = deployment(
        broker="memory://",
        results={"large_result_bucket": BIG, "large_result_prefix": "r/"},
        result_expires=None,
    )
    made = plan_of(wanted, Found(buckets={BIG: used()})).steps[-1]
    assert made.verdict is Verdict.LEAVE
    assert "for ever" in made.notes[0]


def kept_for_ever(*rules: dict[str, Any]) -> Step:
    wanted = deployment(
        broker="memory://",
        results={"large_result_bucket": BIG, "large_result_prefix": "r/"},
        result_expires=None,
    )
    return plan_of(wanted, Found(buckets={BIG: used(*rules)})).steps[-1]


def test_a_rule_of_ours_goes_when_what_it_deletes_is_to_be_kept_for_ever() -> None:
    made = kept_for_ever(rule(7, prefix="r/", name="celery-aws-results:r/"))
    (difference,) = made.differences
    assert (difference.found, difference.wanted) == ("7 days under 'r/'", "none")
    off = rule(7, prefix="r/", name="celery-aws-results:r/", Status="Disabled")
    assert kept_for_ever(off).verdict is Verdict.LEAVE


def test_a_long_rule_of_others_does_not_make_up_for_a_short_one_of_ours() -> None:
    made = step(used(rule(3, name="celery-aws-messages:tasks/"), rule(400)))
    (difference,) = made.differences
    assert (difference.found, difference.wanted) == (
        "3 days under 'tasks/'",
        "37 days under 'tasks/'",
    )


def test_our_rule_for_everything_in_a_bucket_is_lengthened_when_it_is_in_use() -> None:
    made = step(used(rule(3, prefix="", name="celery-aws-messages")), prefix="")
    assert made.verdict is Verdict.CHANGE


def planned(prefix: str, kind: Any, days: int | None, *, parks: bool = False) -> PlannedBucket:
    return PlannedBucket(
        kind=kind,
        name=BIG,
        prefix=prefix,
        access=Access(region="us-east-1"),
        longest_life_seconds=None if days is None else days * DAY,
        parks=parks,
    )


def rules(*buckets: PlannedBucket) -> list[BucketRule]:
    return list(rules_of(buckets)[BIG])


def test_results_live_as_long_as_their_items_may() -> None:
    (found,) = rules(planned("r/", "results", 1))
    assert (found.id, found.days, found.least_days) == ("celery-aws-results:r/", 7, 3)


def test_what_may_be_parked_is_kept_for_a_year_more() -> None:
    (found,) = rules(planned("m/", "messages", 18, parks=True))
    assert (found.days, found.least_days) == (37 + 365, 19)


def test_of_prefixes_within_each_other_the_outer_one_keeps_for_as_long_as_the_inner() -> None:
    outer, inner = rules(planned("", "results", 1), planned("tasks/", "messages", 18))
    assert (outer.days, outer.least_days) == (37, 19)
    assert (inner.days, inner.least_days) == (37, 19)
    inner, outer = rules(planned("a/b/", "results", None), planned("a/", "messages", 18))
    assert inner.days is None
    assert outer.days is None


def test_a_long_prefix_has_an_id_of_its_own() -> None:
    (one,) = rules(planned("x" * 300 + "1", "messages", 1))
    (other,) = rules(planned("x" * 300 + "2", "messages", 1))
    assert len(one.id) == len(other.id) == 255
    assert one.id != other.id


def test_a_rule_that_shall_not_be_cannot_be_written() -> None:
    (found,) = rules(planned("r/", "results", None))
    with pytest.raises(ValueError, match="never expires"):
        _ = found.raw


THEIRS = st.builds(
    rule,
    st.integers(1, 400),
    prefix=st.sampled_from(["", "tasks/", "logs/"]),
    name=st.text(min_size=1, max_size=3),
)


@given(st.lists(THEIRS, max_size=4), st.sampled_from(["", "tasks/"]), st.integers(1, 30))
def test_with_our_rule_it_is_kept_and_theirs_are_the_same(
    theirs: list[dict[str, Any]], prefix: str, days: int
) -> None:
    (ours,) = rules(planned(prefix, "messages", days))
    merged = with_rule(theirs, ours)
    assert is_kept(ours, merged)
    assert [each for each in merged if each["ID"] != ours.id] == theirs
    assert with_rule(merged, ours) == merged


def test_a_rule_that_shall_not_be_is_taken_out() -> None:
    (ours,) = rules(planned("r/", "results", None))
    theirs = rule(3, prefix="logs/")
    assert with_rule([rule(7, prefix="r/", name=ours.id), theirs], ours) == (theirs,)
