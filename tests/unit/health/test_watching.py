import json
import os
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from celery_aws.config.broker import parse_broker_options
from celery_aws.health import watching
from celery_aws.health.http import HttpEndpoint
from celery_aws.health.judgement import Thresholds
from celery_aws.health.state_files import DIRECTORY_VARIABLE, read_states
from celery_aws.health.watching import Watcher, start
from tests.unit.health.views import StillView

PATIENCE_SECONDS = 10.0
OPTIONS = parse_broker_options({})


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in list(os.environ):
        if name.startswith("CELERY_AWS_HEALTH"):
            monkeypatch.delenv(name)
    monkeypatch.setenv(DIRECTORY_VARIABLE, str(tmp_path / "health"))
    monkeypatch.setattr(watching, "WRITE_SECONDS", 0.01)
    return tmp_path / "health"


@pytest.fixture
def view() -> StillView:
    return StillView(phase="starting")


@pytest.fixture
def watcher(view: StillView, monkeypatch: pytest.MonkeyPatch) -> Iterator[Watcher]:
    ends: list[object] = []
    monkeypatch.setattr("atexit.register", ends.append)
    monkeypatch.setattr("atexit.unregister", ends.remove)
    watcher = Watcher(view, Thresholds())
    yield watcher
    watcher.end()
    assert ends == []


def test_it_writes_at_once_and_then_again_and_leaves_nothing(
    watcher: Watcher, directory: Path
) -> None:
    watcher.begin()
    (first,) = read_states(os.environ)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while read_states(os.environ)[0].written_at <= first.written_at:
        assert time.monotonic() < deadline
        time.sleep(0.001)
    watcher.end()
    assert gone(directory)
    assert not watcher.alive


def test_a_forked_child_neither_writes_nor_removes(watcher: Watcher, directory: Path) -> None:
    watcher.begin()
    pid = os.fork()
    if pid == 0:
        watcher.end()
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
    assert len(list(directory.iterdir())) >= 1


def gone(directory: Path) -> bool:
    """Wait until there is no state any more."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while list(directory.iterdir()) and time.monotonic() < deadline:
        time.sleep(0.001)
    return not list(directory.iterdir())


def test_it_ends_with_a_worker_whose_process_goes_on(
    view: StillView, watcher: Watcher, directory: Path
) -> None:
    watcher.begin()
    view.facts["ended"] = True
    assert gone(directory)
    assert watcher.stop(PATIENCE_SECONDS)


def test_a_bug_of_the_watcher_ends_no_worker(
    view: StillView, watcher: Watcher, caplog: pytest.LogCaptureFixture
) -> None:
    view.facts["running"] = None
    before = watcher._state.written_at
    states = [watcher._look() for _ in range(2)]
    assert [each.phase for each in states] == ["starting", "starting"]
    assert before < states[0].written_at < states[1].written_at
    assert caplog.messages == ["the health of this worker cannot be seen"]


def test_its_pages_say_what_the_probe_says(watcher: Watcher) -> None:
    live, ready = watcher.live_page(), watcher.ready_page()
    assert (live.status, ready.status) == (200, 503)
    facts = json.loads(ready.body)
    assert facts["reasons"] == ["it is starting: it has not connected to the broker yet"]
    assert facts["worker"]["node"] == "one@host"


def test_where_nothing_can_be_written_it_says_so_once(
    watcher: Watcher, directory: Path, caplog: pytest.LogCaptureFixture
) -> None:
    directory.write_text("in the way")
    watcher._write()
    watcher._write()
    assert len(caplog.messages) == 1
    assert "Let CELERY_AWS_HEALTH_DIR name a directory" in caplog.messages[0]
    directory.unlink()
    watcher._write()
    assert len(read_states(os.environ)) == 1
    watcher._files[0].remove()


def test_switched_off_it_does_nothing(directory: Path) -> None:
    start(StillView(), parse_broker_options({"health": False}))
    assert not directory.exists()


def test_a_wrong_setting_is_told_and_keeps_no_worker_from_its_tasks(
    directory: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("CELERY_AWS_HEALTH_PORT", "http")
    start(StillView(), OPTIONS)
    assert "the health of this worker is not told: CELERY_AWS_HEALTH_PORT='http'" in caplog.text
    assert not directory.exists()


def test_it_listens_where_it_is_told_and_says_if_it_cannot(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setenv("CELERY_AWS_HEALTH_PORT", str(port))
        monkeypatch.setenv("CELERY_AWS_HEALTH", "off")
        start(StillView(), OPTIONS)
        assert f"nothing is answered on 127.0.0.1 port {port}" in caplog.text
    started: list[HttpEndpoint] = []

    class Endpoint(HttpEndpoint):
        def start(self) -> None:
            super().start()
            started.append(self)

    monkeypatch.setattr(watching, "HttpEndpoint", Endpoint)
    start(StillView(), OPTIONS)
    (endpoint,) = started
    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(f"http://127.0.0.1:{port}/nothing", timeout=PATIENCE_SECONDS)
    endpoint.stop()
