"""The environment of the pytest processes, and how they are told what to do."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

#: The repository: the plugin is imported from here.
REPOSITORY: Final = Path(__file__).resolve().parent.parent

#: What is downloaded, written and remembered; never checked in.
SCRATCH: Final = REPOSITORY / ".conformance"

#: Variables for the plugin: the file of the progress, and whether to lift skips.
PROGRESS: Final = "CONFORMANCE_PROGRESS"
LIFT_SKIPS: Final = "CONFORMANCE_LIFT_SKIPS"

#: ``0/2``: run only the first half of the tests, each second one.
PART: Final = "CONFORMANCE_PART"

#: JSON: ``broker_transport_options`` of every app, and of kombu's connections.
TRANSPORT_OPTIONS: Final = "CONFORMANCE_TRANSPORT_OPTIONS"

#: Variables that would change what the tests, or Celery's command, do (celery/bin/celery.py).
_LEFT_OUT: Final = (
    "APP",
    "BROKER_URL",
    "CONFIG_MODULE",
    "DJANGO_SETTINGS_MODULE",
    "LOADER",
    "RESULT_BACKEND",
)
_LEFT_OUT_PREFIXES: Final = ("AWS_", "CELERY_", "PYTEST_", "REDIS_")


def of_tests(
    inherited: Mapping[str, str],
    broker: Mapping[str, str],
    *,
    progress: Path,
    lift_skips: bool,
    part: str = "0/1",
) -> dict[str, str]:
    """Return the whole environment of a pytest process.

    Args:
        inherited: the environment of this process.
        broker: the variables of the broker.
        progress: file that the plugin writes to.
        lift_skips: run what is skipped where the result backend is not Redis.
        part: which of how many parts of the tests to run.
    """
    kept = {
        name: value
        for name, value in inherited.items()
        if name not in _LEFT_OUT and not name.startswith(_LEFT_OUT_PREFIXES)
    }
    paths = [*kept.get("PYTHONPATH", "").split(os.pathsep), str(REPOSITORY)]
    commands = [str(Path(sys.executable).parent), kept.get("PATH", os.defpath)]
    return kept | {
        # Some tests run the celery command.
        "PATH": os.pathsep.join(commands),
        "PYTHONPATH": os.pathsep.join(path for path in paths if path),
        # Only what is named on the command line: the same plugins everywhere.
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        # Two tests read the worker's log.
        "WORKER_LOGLEVEL": "INFO",
        PROGRESS: str(progress),
        PART: part,
        LIFT_SKIPS: "1" if lift_skips else "",
        **broker,
    }
