import pytest

from celery_aws.migrate.redis.kinds import KeyNames, Kind
from celery_aws.migrate.redis.layout import Layout

NAMES = KeyNames(layout=Layout())
PROCESS = "67288a62-27e1-39ec-8a49-573ace3f0d2d"


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("celery", Kind.OPEN),
        ("celery\x06\x163", Kind.OPEN),
        ("unacked", Kind.UNACKED),
        ("unacked_index", Kind.UNACKED),
        ("unacked_mutex", Kind.UNACKED),
        ("_kombu.binding.media", Kind.BINDING),
        ("_kombu.binding_permanent.media", Kind.BINDING),
        ("_kombu.binding_deadlines", Kind.BINDING),
        ("_kombu.binding.celery.pidbox", Kind.CONTROL),
        ("_kombu.binding.reply.celery.pidbox", Kind.CONTROL),
        ("_kombu.binding_permanent.celeryev", Kind.CONTROL),
        ("_kombu.binding.celeryev", Kind.CONTROL),
        (f"{PROCESS}.reply.celery.pidbox", Kind.CONTROL),
        ("celeryev.receiver", Kind.CONTROL),
        (PROCESS, Kind.CONTROL),
        ("celery-task-meta-1", Kind.RESULT),
        ("rp_celery-task-meta-1", Kind.RESULT),
        ("celery-taskset-meta-1.j", Kind.RESULT),
        ("chord-unlock-1", Kind.RESULT),
        ("redbeat:every-minute", Kind.SCHEDULE),
        ("redbeat::schedule", Kind.SCHEDULE),
        ("redbeat::lock", Kind.SCHEDULE),
        ("qo_proj.add_x-1", Kind.LOCK),
        ("celery-aws.migration.claims", Kind.OURS),
        ("a-cache:1", Kind.OPEN),
    ],
)
def test_a_key_is_known_by_its_name(name: str, kind: Kind) -> None:
    assert NAMES.kind_of(name) is kind


def test_names_that_settings_change_are_known() -> None:
    names = KeyNames(
        layout=Layout(unacked="mine"),
        control_exchange="shop",
        event_prefix="shopev",
        schedule_prefix="beat:",
    )

    assert names.kind_of("mine") is Kind.UNACKED
    assert names.kind_of("unacked") is Kind.OPEN
    assert names.kind_of("_kombu.binding.shop.pidbox") is Kind.CONTROL
    assert names.kind_of("shopev.1") is Kind.CONTROL
    assert names.kind_of("beat::statics") is Kind.SCHEDULE
