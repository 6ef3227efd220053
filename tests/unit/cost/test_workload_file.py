import sys
from pathlib import Path

import pytest

from celery_aws.cost.workload_file import read_workload
from celery_aws.errors import ConfigurationError


def test_yaml_and_json(tmp_path: Path) -> None:
    path = tmp_path / "work.yaml"
    path.write_text("tasks: 800000\nnetwork: endpoints  # no NAT\n")
    assert read_workload(path) == {"tasks": 800_000, "network": "endpoints"}
    path.write_text('{"tasks": 1}')
    assert read_workload(path) == {"tasks": 1}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- 1", "a mapping"),
        ("a: [", "no YAML"),
        ("tasks: 2026-13-45", "no YAML"),
        ("batched-share: 0.1\nbatched_share: 0.9", "given twice"),
    ],
)
def test_what_is_no_workload(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "work.yaml"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match=message):
        read_workload(path)


def test_a_file_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read_workload(tmp_path / "none.yaml")


def test_json_needs_no_yaml(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "yaml", None)
    path = tmp_path / "work.json"
    path.write_text('{"tasks": 1}')
    assert read_workload(path) == {"tasks": 1}
    path.write_text("tasks: 1")
    with pytest.raises(ConfigurationError, match=r"celery-aws\[cost\]"):
        read_workload(path)
