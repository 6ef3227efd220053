"""What the rehearsal of a migration makes of its ledger: it has to see what went wrong."""

from pathlib import Path

from examples.migration.ledger import Execution, Ledger, Run
from examples.migration.orders import Order, read
from examples.migration.verdict import Killed, judged, strangers, unfinished

KILLED = Killed(worker="old2", at=100.0)

A, B, BODY = Execution("a"), Execution("b"), Execution("body")
CHAIN = Order(kind="chain", executions={A: "", B: "a"})


def run(started: float, ended: float | None, worker: str = "old1") -> Run:
    return Run(run=str(started), worker=worker, pid=1, started=started, ended=ended)


def test_what_ran_once_is_well() -> None:
    [line] = judged([CHAIN], {A: [run(1, 2)], B: [run(2, 3)]}, KILLED).values()
    assert line.good
    assert (line.orders, line.once, line.again) == (1, 2, 0)


def test_what_did_not_run_or_end_is_lost() -> None:
    runs = {A: [run(1, None)]}
    [line] = judged([CHAIN], runs, KILLED).values()
    assert line.lost == [A, B] == unfinished([CHAIN], runs)
    assert not line.good


def test_twice_without_a_reason_is_bad() -> None:
    [line] = judged([CHAIN], {A: [run(1, 2), run(3, 4)], B: [run(5, 6)]}, KILLED).values()
    assert line.twice == [A]


def test_what_the_killed_worker_ran_may_run_again_and_so_may_what_it_had_sent() -> None:
    runs = {A: [run(99, None, "old2"), run(101, 102)], B: [run(99.5, 99.6), run(103, 104)]}
    [line] = judged([CHAIN], runs, KILLED).values()
    assert line.good
    assert line.again == 2


def test_what_it_had_ended_long_before_may_not() -> None:
    runs = {A: [run(90, 91, "old2"), run(101, 102)], B: [run(99.5, 99.6)]}
    [line] = judged([CHAIN], runs, KILLED).values()
    assert line.twice == [A]


def test_a_body_is_called_once_whatever_its_parts_did() -> None:
    chord = Order(kind="chord", executions={A: "", BODY: "a"}, body="body")
    runs = {A: [run(99, None, "old2"), run(101, 102)], BODY: [run(103, 104), run(105, 106)]}
    [line] = judged([chord], runs, KILLED).values()
    assert line.twice == [BODY]


def test_what_was_revoked_may_not_run_nor_what_nobody_ordered() -> None:
    order = Order(kind="revoked", never={"a": "revoked"})
    runs = {A: [run(1, 2)], B: [run(1, 2)]}
    [line] = judged([order], runs, KILLED).values()
    assert line.unwanted == ["a"]
    assert strangers([order], runs) == [B]


def test_a_ledger_is_read_as_it_was_written(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger")
    ledger.write(**CHAIN.as_line())
    ledger.write(event="started", task_id="a", retries=0, run="1", worker="old1")
    ledger.write(event="ended", run="1")
    with ledger.path.open("a") as file:
        file.write('{"event": "started", "task')
    assert read(ledger.lines()) == [CHAIN]
    [found] = ledger.runs()[A]
    assert found.ended is not None
    assert found.ended >= found.started
