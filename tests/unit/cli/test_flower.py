"""How the command begins; what Flower then does is in ``tests/integration/cli``."""

import subprocess
import sys

import pytest
from click.testing import CliRunner

from celery_aws.cli import aws
from tests.unit.cli.conftest import Shop


@pytest.mark.parametrize("missing", ["flower", "flower.command"])
def test_without_flower_it_says_how_to_get_it(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    monkeypatch.delitem(sys.modules, "flower.command", raising=False)
    monkeypatch.setitem(sys.modules, missing, None)

    ended = shop.run("flower")

    assert ended.exit_code == 2
    assert ended.stderr == 'Error: Flower is not installed: pip install "celery-aws[flower]"\n'


def test_what_flower_itself_misses_is_not_taken_for_flower(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "flower.command", raising=False)
    monkeypatch.setitem(sys.modules, "tornado.log", None)

    ended = shop.run("flower")

    assert isinstance(ended.exception, ModuleNotFoundError)
    assert ended.exception.name == "tornado.log"


def test_another_broker_is_refused(shop: Shop) -> None:
    shop.app.conf.broker_url = "memory://"

    ended = shop.run("flower")

    assert ended.exit_code == 2
    assert "this command is for aws+sqs://" in ended.stderr


def test_it_needs_an_app() -> None:
    ended = CliRunner().invoke(aws, ["flower", "--port=5556"])

    assert ended.exit_code == 2
    assert "celery -A proj aws flower" in ended.output


def test_its_help_and_the_groups_import_no_flower() -> None:
    program = (
        "import sys; from celery_aws.cli import aws; "
        "aws(['flower', '--help'], standalone_mode=False); "
        "print('flower' in sys.modules, 'tornado' in sys.modules, file=sys.stderr)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert "FLOWER_" in ended.stdout
    assert ended.stderr.strip() == "False False"
