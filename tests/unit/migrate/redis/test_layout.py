from kombu.transport.redis import Channel

from celery_aws.migrate.redis.layout import DEFAULT_SEPARATOR, Layout, WaitingList
from celery_aws.names import AmqpQueue

CELERY, MEDIA = AmqpQueue("celery"), AmqpQueue("media")


def names(lists: object) -> list[str]:
    return [each.name for each in lists]  # type: ignore[attr-defined]


def test_the_defaults_are_kombu_s() -> None:
    layout = Layout()

    assert layout.separator == Channel.sep == DEFAULT_SEPARATOR
    assert layout.steps == tuple(Channel.priority_steps)
    assert layout.unacked == Channel.unacked_key
    assert layout.unacked_index == Channel.unacked_index_key
    assert layout.unacked_mutex == Channel.unacked_mutex_key
    assert layout.binding == Channel.keyprefix_queue % ""


def test_lists_come_step_by_step_as_workers_ask_for_them() -> None:
    layout = Layout(steps=(0, 5), separator=":")

    assert names(layout.lists([CELERY, MEDIA])) == ["celery", "media", "celery:5", "media:5"]


def test_other_lists_are_those_of_every_priority_with_the_old_separator_too() -> None:
    layout = Layout(steps=(0, 3), separator=":")

    found = names(layout.other_lists([CELERY]))

    assert "celery:9" in found
    assert f"celery{DEFAULT_SEPARATOR}3" in found
    assert not {"celery", "celery:3"} & set(found)
    assert len(found) == len(set(found)) == 8 + 9


def test_a_priority_has_the_list_that_kombu_gives_it() -> None:
    layout = Layout(steps=(0, 3, 6, 9))

    found = {number: layout.list_for(CELERY, number).name for number in range(10)}

    assert found[0] == found[2] == "celery"
    assert found[5] == f"celery{DEFAULT_SEPARATOR}3"
    assert found[9] == f"celery{DEFAULT_SEPARATOR}9"


def test_the_name_of_a_list_says_its_queue_and_step() -> None:
    layout = Layout(separator=":")

    assert layout.split("celery:7") == WaitingList(queue=CELERY, step=7, name="celery:7")
    assert layout.split(f"media{DEFAULT_SEPARATOR}3").queue == MEDIA
    assert layout.split("a:b") == WaitingList(queue=AmqpQueue("a:b"), step=0, name="a:b")


def test_all_keys_of_a_migration_are_behind_the_prefix_of_the_app() -> None:
    layout = Layout(prefix="{app}:")

    keys = [layout.registry, layout.claims("r", "celery"), layout.lease("r"), layout.received]

    assert len(set(keys)) == 4
    assert all(key.startswith("{app}:celery-aws.migration.") for key in keys)
