from celery_aws.migrate.redis.kinds import Kind
from celery_aws.migrate.redis.other_keys import Others


def test_each_kind_is_told_once_with_an_example() -> None:
    others = Others()
    others.add(Kind.SCHEDULE, "redbeat:a")
    others.add(Kind.SCHEDULE, "redbeat:b")
    others.add(Kind.CONTROL, "_kombu.binding.celery.pidbox")

    schedule, control = sorted(others.found(), key=lambda each: -each.count)

    assert (schedule.kind, schedule.count, schedule.example) == ("schedule", 2, "redbeat:a")
    assert schedule.blocks
    assert (control.kind, control.blocks) == ("control", False)


def test_results_and_what_is_ours_are_not_told_here() -> None:
    others = Others()
    for kind in (Kind.RESULT, Kind.OURS, Kind.UNACKED):
        others.add(kind, "name")

    assert others.found() == ()


def test_what_a_worker_holds_and_leads_nowhere_is_in_the_way() -> None:
    others = Others()
    others.add_stray("tag", None)

    [held] = others.found()

    assert (held.kind, held.count, held.blocks) == ("unacked", 1, True)
