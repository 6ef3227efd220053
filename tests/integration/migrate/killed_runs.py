"""Runs of a migration as real processes that are killed at random moments, until one gets through.

A trial: a mixture of every kind of message, ``migrate run`` killed and run again, then a look into
SQS, and then a real worker that executes all of it.
"""

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from examples.migration.ledger import Ledger

from celery_aws.local.output import ProcessOutput, spawn
from celery_aws.migrate.old_app import old_app
from celery_aws.migrate.revoked import remember_ids
from celery_aws.testing import WorkerProcess
from tests.integration.migrate.local_account import LocalAccount
from tests.integration.migrate.mixture import TOPIC_QUEUE, Mixture, publish_mixture

ROOT = Path(__file__).parents[3]

APP = "examples.migration.app"

#: Seconds for one run, or for a worker without anything done; far more than it takes.
PATIENCE_SECONDS = 120.0

#: Seconds between a request of a run and its death: longer than a batch takes.
SPAN_SECONDS = 0.04

#: A batch of each thread is what a kill may double.
BATCH_MESSAGES = 10

#: A run that put something into the quarantine file is done, too.
FINISHED = (0, 1)

SENDS = "sqs.SendMessageBatch"


@dataclass(kw_only=True)
class Trial:
    """What came of the messages of one mixture.

    Attributes:
        seed: of its kills.
        threads: of its runs.
        kills: how many there were.
        lost: ids that are nowhere.
        doubles: how many messages SQS has more than once.
        problems: what else must not be.
    """

    seed: int
    threads: int = 1
    kills: int = 0
    lost: set[str] = field(default_factory=set)
    doubles: int = 0
    problems: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """True if nothing was lost, and not more doubled than may be."""
        few = self.doubles <= BATCH_MESSAGES * self.threads * self.kills
        return few and not (self.lost or self.problems)

    def __str__(self) -> str:
        bad = "".join(f"; {each}" for each in self.problems)
        counts = f"{self.kills} kills, {len(self.lost)} lost, {self.doubles} doubles"
        lost = f"; such as {sorted(self.lost)[:5]}" if self.lost else ""
        return f"seed {self.seed}: {counts}{bad}{lost}"


class KillTrials:
    """Trials one after the other, each with a seed of its own.

    Args:
        account: where messages go.
        folder: for journals and ledgers.
        configuration: of the old side; what it reads from the environment is there.
    """

    def __init__(self, account: LocalAccount, folder: Path, configuration: str) -> None:
        self._account = account
        self._folder = folder
        self._configuration = configuration
        self._done: list[Trial] = []

    def run(
        self,
        messages: int,
        kills_a_trial: int,
        kills: int,
        *,
        threads: int = 1,
        before: Callable[[Mixture], None] = lambda _: None,
        after: Callable[[Trial], None] = lambda _: None,
    ) -> None:
        """Make trials until there were so many kills; print a line for each.

        Args:
            messages: of each trial.
            kills_a_trial: at most; fewer if a run gets through.
            kills: in all.
            threads: of each run.
            before: adds to what was published.
            after: adds problems to what was found.
        """
        first = int(os.environ.get("CELERY_AWS_SOAK_SEED", "1"))
        while sum(trial.kills for trial in self._done) < kills:
            trial = Trial(seed=first + len(self._done), threads=threads)
            self._make(trial, messages, kills_a_trial, before)
            after(trial)
            self._done.append(trial)
            print(f"{self._configuration}: {trial}", flush=True)
        print(self._summary(), flush=True)

    def bad(self) -> list[str]:
        """Return what must be empty."""
        return [str(trial) for trial in self._done if not trial.good]

    def _summary(self) -> str:
        kills, doubles = sum(t.kills for t in self._done), sum(t.doubles for t in self._done)
        lost = sum(len(trial.lost) for trial in self._done)
        return f"{len(self._done)} trials, {kills} kills: {lost} lost, {doubles} doubles on SQS"

    def _make(
        self, trial: Trial, messages: int, kills: int, before: Callable[[Mixture], None]
    ) -> None:
        app = old_app(self._configuration)
        try:
            mixture = publish_mixture(app, messages, seed=trial.seed)
        finally:
            app.close()
        before(mixture)
        folder = self._folder / f"trial-{trial.seed}"
        folder.mkdir()
        runs = KilledRuns(
            self._account, self._configuration, folder / "journal.sqlite", threads=trial.threads
        )
        runs.kill_until_done(mixture, trial, kills)
        judge_queues(self._account, mixture, trial)
        execute(self._account, mixture, trial, Ledger(folder / "ledger"))
        self._account.forget()


class KilledRuns:
    """The runs of one mixture."""

    def __init__(
        self, account: LocalAccount, configuration: str, journal: Path, *, threads: int = 1
    ) -> None:
        self._account = account
        self._configuration = configuration
        self._journal = journal
        self._threads = threads

    def kill_until_done(self, mixture: Mixture, trial: Trial, kills: int) -> None:
        """Run and kill so often, then run to the end; count the kills."""
        remember_ids(self._journal, mixture.revoked)
        moments = random.Random(trial.seed)
        sends = len(mixture.messages) // (BATCH_MESSAGES * kills)
        for _ in range(kills):
            if not self._killed(moments, sends):
                return
            trial.kills += 1
        process, output = self._start()
        code = process.wait(PATIENCE_SECONDS)
        output.stop(PATIENCE_SECONDS)
        assert _is_through(code, output), output.text

    def _killed(self, moments: random.Random, sends: int) -> bool:
        """Start a run and kill it after so many sends at most; False if it was done before."""
        count, pause_seconds = moments.randint(0, sends), moments.uniform(0, SPAN_SECONDS)
        # Also before it sends for the first time: then it looks at queues, and claims.
        pattern, more = (SENDS, count) if count else ("*", 1)
        before = self._account.proxy.requests.total(pattern)
        process, output = self._start()
        deadline = time.monotonic() + PATIENCE_SECONDS
        while process.poll() is None and not self._account.proxy.requests.wait_for(
            pattern, count=before + more, timeout_seconds=0.05
        ):
            assert time.monotonic() < deadline, output.text
        time.sleep(pause_seconds)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        code = process.wait(PATIENCE_SECONDS)
        output.stop(PATIENCE_SECONDS)
        assert code == -signal.SIGKILL or _is_through(code, output), output.text
        return code == -signal.SIGKILL

    def _start(self) -> tuple["subprocess.Popen[str]", ProcessOutput]:
        command = [sys.executable, "-m", "celery", "-A", APP, "aws", "migrate"]
        command += ["run", "--from-config", self._configuration, "--journal", str(self._journal)]
        # The new app declares no topic queue.
        command += ["--queue", "celery", "--queue", str(TOPIC_QUEUE.name)]
        command += ["--yes", "--no-results", "--ask-seconds", "0"]
        command += ["--threads", str(self._threads)]
        return spawn("run", command, {**os.environ, **self._account.variables}, directory=ROOT)


def _is_through(code: int, output: ProcessOutput) -> bool:
    """Tell whether a run has moved everything: something in quarantine has an exit code, too."""
    return code in FINISHED and " 0 left" in output.text


def judge_queues(account: LocalAccount, mixture: Mixture, trial: Trial) -> None:
    """Compare what SQS and the schedule have with what was published."""
    stored = account.look()
    found, expected = Counter(stored.ids()), Counter(mixture.sent)
    trial.lost |= set(expected - found)
    trial.doubles += sum((found - expected).values())
    claims = {
        f"not to be sent: {set(found) - set(expected)}": set(found) <= set(expected),
        "not parked": mixture.parked <= {*stored.parked, *trial.lost},
        "not delayed": mixture.delayed <= {*stored.delayed(time.time() + 60), *trial.lost},
    }
    trial.problems += [problem for problem, is_well in claims.items() if not is_well]


def execute(account: LocalAccount, mixture: Mixture, trial: Trial, ledger: Ledger) -> None:
    """Let a worker execute all, and compare what it did with what was published."""
    worker = WorkerProcess(
        APP,
        directory=ROOT,
        queues=["celery", TOPIC_QUEUE.name],
        # Pickles are among the messages.
        environment={**account.variables, "SHOP_LEDGER": str(ledger.path), "C_FORCE_ROOT": "1"},
        arguments=["--without-gossip", "--without-mingle"],
    )
    with worker:
        deadline, size = time.monotonic() + PATIENCE_SECONDS, 0
        while not _is_done(account, mixture, ledger) and time.monotonic() < deadline:
            time.sleep(0.2)
            if ledger.path.exists() and ledger.path.stat().st_size > size:
                deadline, size = time.monotonic() + PATIENCE_SECONDS, ledger.path.stat().st_size
    runs = ledger.runs()
    unexecuted = sorted(each.task_id for each in mixture.runs - runs.keys())
    twice = {each: found for each, found in runs.items() if len(found) > 1}
    claims = {
        f"{len(unexecuted)} not executed, such as {unexecuted[:5]}": not unexecuted,
        f"{len(twice)} ran twice, such as {list(twice.items())[:1]}": not twice,
        f"ran: {runs.keys() - mixture.runs}": runs.keys() <= mixture.runs,
    }
    trial.problems += [problem for problem, is_well in claims.items() if not is_well]


def _is_done(account: LocalAccount, mixture: Mixture, ledger: Ledger) -> bool:
    """Tell whether all that can be executed was, and nothing more can be received."""
    runs = ledger.runs()
    ended = {each for each, found in runs.items() if found[-1].ended is not None}
    return mixture.runs <= ended and account.waiting() == 0
