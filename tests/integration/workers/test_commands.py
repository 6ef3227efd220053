"""Every command of Celery's remote control on four workers, and the table of it in the docs."""

import pytest
from bench.control.asked import AUDIENCES, Outcome
from bench.control.commands import PAGE, cells_of, outcomes, table, written

from celery_aws.testing.fixtures import AwsEnvironment

pytestmark = pytest.mark.worker

#: Of the table's columns, those that are the same in every run: requests vary.
COMMAND, REPLIES, SEEN = 0, slice(1, 1 + len(AUDIENCES)), -1


@pytest.fixture(scope="module")
def page_rows() -> list[list[str]]:
    head, _, *rows = written(PAGE.read_text())
    assert cells_of(head) == cells_of(table([])[0])
    return [cells_of(row) for row in rows]


def test_every_command_is_obeyed_by_those_whom_it_is_for(
    aws_environment: AwsEnvironment, page_rows: list[list[str]]
) -> None:
    """What each has to do, and who has to answer, is said beside the commands, in ``bench``."""
    run = outcomes(aws_environment, quick=True)

    rows = [cells_of(line) for line in table(run)[2:]]
    # What draws on a terminal is not in a quick run.
    page_rows = [row for row in page_rows if row[COMMAND] != "`events`"]
    assert [row[COMMAND] for row in rows] == [row[COMMAND] for row in page_rows]
    for row, on_page, outcome in zip(rows, page_rows, run, strict=True):
        assert row[SEEN] == on_page[SEEN]
        for here, there in zip(row[REPLIES], on_page[REPLIES], strict=True):
            # Not every command is sent in every way here.
            assert here in ("", there), row[COMMAND]
        _costs_little(outcome)


def _costs_little(outcome: Outcome) -> None:
    usage = outcome.usage
    if outcome.command == "inspect ping":
        assert usage.total <= 30
        assert "sqs.CreateQueue" not in usage.client | usage.fleet


def test_celerys_commands_are_all_on_the_page(page_rows: list[list[str]]) -> None:
    from celery.worker.control import Panel

    texts = {row[COMMAND].strip("`") for row in page_rows}
    missing = [
        name
        for name, meta in Panel.meta.items()
        # Gossip sends it, workers to each other.
        if name != "election" and not any(text.split()[:2] == [meta.type, name] for text in texts)
    ]

    assert not missing
