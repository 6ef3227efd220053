"""``create-table`` without DynamoDB results; with them: tests/integration/cli."""

import json

from tests.unit.cli.conftest import TABLE, Shop


def test_results_elsewhere_the_coordination_table_alone_is_created(shop: Shop) -> None:
    shop.options(create_coordination_table=False)
    ended = shop.run("create-table", "--yes")
    assert ended.exit_code == 0
    assert ended.stdout == f"{TABLE}\n"
    assert "results table" not in ended.stderr
    assert shop.tables.describe_table(TABLE).key[0].name == "pk"

    again = json.loads(shop.run("create-table", "--yes", "--json").stdout)
    assert again == {
        "table": None,
        "created": None,
        "ttl_enabled": None,
        "on_demand": None,
        "recovery_enabled": None,
        "coordination": {
            "table": TABLE,
            "created": False,
            "ttl_enabled": False,
            "on_demand": True,
            "recovery_enabled": False,
        },
    }


def test_it_asks_first(shop: Shop) -> None:
    refused = shop.run("create-table", typed="n\n")
    assert refused.exit_code == 1
    assert f"Will create the coordination table {TABLE}" in refused.stderr
    assert not shop.tables.requests


def test_with_neither_table_the_setting_is_named(shop: Shop) -> None:
    shop.options(coordination_table=False)
    shop.app.conf.result_backend = "cache+memory://"
    ended = shop.run("create-table", "--yes")
    assert ended.exit_code == 2
    assert "result_backend" in ended.stderr
