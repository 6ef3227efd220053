from celery_aws.aws.access import Access
from celery_aws.broker.coordination import coordination
from celery_aws.config.broker import parse_broker_options
from celery_aws.table.coordination import SPEC
from celery_aws.testing.clock import FakeClock
from celery_aws.testing.memory_dynamodb import MemoryTableService

PROTECTED = {
    "coordination_point_in_time_recovery": True,
    "coordination_kms_key": "alias/celery",
    "coordination_table_tags": {"team": "web"},
    "coordination_deletion_protection": True,
}


def test_what_protects_a_table_that_is_created() -> None:
    service, clock = MemoryTableService(), FakeClock()

    def services(_: Access) -> MemoryTableService:
        return service

    for options, name in (({}, "bare-1"), (PROTECTED, "protected-1")):
        parsed = parse_broker_options({**options, "coordination_table": name})
        found = coordination(parsed, Access(region="eu-west-1"), services, clock)
        assert found is not None
        found.table.create()
        made = service.spec(found.table.name)
        assert (made == SPEC) == (not options)
        assert made.key == SPEC.key
    assert made.point_in_time_recovery
    assert made.deletion_protection
    assert (made.kms_key, made.tags) == ("alias/celery", {"team": "web"})


def test_a_table_of_another_account_is_named_by_its_arn() -> None:
    arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/tasks"
    assert parse_broker_options({"coordination_table": arn}).coordination_table == arn
