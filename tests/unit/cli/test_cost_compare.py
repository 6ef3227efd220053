import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from celery_aws.cli.group import aws


@pytest.fixture(autouse=True)
def _no_prices_of_a_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))


def compare(*arguments: str) -> Result:
    return CliRunner().invoke(aws, ["cost", "compare", *arguments])


def facts(*arguments: str) -> Any:
    ended = compare(*arguments, "--json")
    assert ended.exit_code == 0, ended.output
    return json.loads(ended.stdout)


def test_flags_are_enough() -> None:
    ended = compare("--tasks", "800000", "--region", "ap-northeast-1", "--highly-available")
    assert ended.exit_code == 0, ended.output
    assert "SQS is it" in ended.stdout
    assert "36.50" in ended.stdout
    assert "price of" in ended.stdout


def test_flags_beat_the_file(tmp_path: Path) -> None:
    path = tmp_path / "work.yaml"
    path.write_text("tasks: 5\nresults-share: 0.5\nqueues: 3\ncontrol: false\n")
    found = facts("--workload", str(path), "--tasks", "7", "--queues", "4")["workload"]
    assert (found["tasks"], found["results_share"], found["queues"]) == (7, 0.5, 4)
    assert found["control"] is False


def test_what_makes_no_sense_is_a_wrong_usage() -> None:
    for arguments in (("--network", "vpn"), ("--tasks", "-1"), ("--region", "mars-1")):
        ended = compare(*arguments)
        assert ended.exit_code == 2, arguments
        assert ended.stdout == ""
    assert compare("--currency", "JPY").exit_code == 2
    for rate in ("nan", "inf", "0", "-1", "1e308", "1e-320"):
        assert compare("--currency", "JPY", "--rate", rate).exit_code == 2, rate
    assert compare("--json", "--markdown").exit_code == 2


@pytest.mark.parametrize("url", ["redis://:secret@h:abc/0", "amqp://u:secret@[h//", "http://h"])
def test_a_url_that_is_none(url: str) -> None:
    ended = compare("--from", url, "--sample", "1")
    assert ended.exit_code == 2
    assert "secret" not in ended.output
    assert ended.exception is None or isinstance(ended.exception, SystemExit)


@pytest.mark.parametrize("seconds", ["nan", "inf", "0", "-1", "1e99"])
def test_a_sample_of_no_seconds(seconds: str) -> None:
    assert compare("--from", "redis://127.0.0.1:1/0", "--sample", seconds).exit_code == 2


def test_other_currencies() -> None:
    found = facts("--currency", "JPY", "--rate", "150")
    redis = next(each for each in found["brokers"] if each["name"] == "elasticache-redis")
    assert redis["amount"] == pytest.approx(11.68 * 150)


def test_without_what_is_free() -> None:
    dear = facts("--tasks", "1e6", "--no-free-tier")["ours"]["dollars"]
    assert dear - facts("--tasks", "1e6")["ours"]["dollars"] == pytest.approx(0.40, abs=0.01)


def test_markdown_and_every_line() -> None:
    ended = compare("--tasks", "1e6", "--markdown", "--lines")
    assert "### What it is made of: Amazon MQ RabbitMQ, mq.m5.large" in ended.stdout


def test_a_chart(tmp_path: Path) -> None:
    path = tmp_path / "cost.svg"
    assert compare("--tasks", "1e6", "--chart", str(path)).exit_code == 0
    assert path.read_text().startswith("<svg ")
    for tasks in ("0", "0.4", "1e15"):
        ended = compare("--tasks", tasks, "--chart", str(path))
        assert ended.exit_code == 0, (tasks, ended.output)
    ended = compare("--tasks", "1e6", "--chart", str(tmp_path / "none" / "cost.svg"))
    assert ended.exit_code == 2
    assert "cannot be written" in ended.stderr


def test_refreshed_prices_are_taken(tmp_path: Path) -> None:
    row = {
        "key": "elasticache.redis.cache.t4g.micro", "region": "us-east-1", "unit": "hour",
        "per": 1, "tiers": [{"first": 0, "dollars": 1.0}], "source": "me", "as_of": "2026-11-23",
        "confidence": "live",
    }  # fmt: skip
    path = tmp_path / "data" / "celery-aws" / "prices.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"format": 1, "prices": [row]}))

    def redis(*arguments: str) -> float:
        brokers = facts(*arguments)["brokers"]
        return next(each["dollars"] for each in brokers if each["name"] == "elasticache-redis")  # type: ignore[no-any-return]

    assert redis() == 730
    other = tmp_path / "other.json"
    other.write_text(path.read_text().replace("1.0}", "2.0}"))
    assert redis("--prices", str(other)) == 1460
