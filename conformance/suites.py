"""The suites of tests: Celery's own and kombu's own, out of their source distributions.

Wheels have no tests. Only the folder ``t`` is unpacked, so that what is tested is the installed
package. The version is that of the installed one.
"""

import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Final

from conformance.environment import SCRATCH

_TESTS: Final = Path("t", "integration")

#: kombu's tests are base classes; this module fills them in for whatever broker there is.
_KOMBU_TESTS: Final = Path(__file__).with_name("kombu_transport.py")
_KOMBU_FILE: Final = "test_transport.py"

#: These are about Redis's own result backend, and would only fail where their skip is lifted.
_REDIS_OWN: Final = (
    "test_backend_leak_in_fixture_teardown.py",
    "test_redis_backend.py",
)


#: Azure's result backend: it cannot even be read without Azure's client.
_LEFT_OUT: Final = ("test_backend.py",)


@dataclass(frozen=True, kw_only=True)
class SuiteFile:
    """A file of tests.

    Attributes:
        suite: ``celery`` or ``kombu``.
        name: without folders.
        root: of the unpacked suite: the tests run in it.
    """

    suite: str
    name: str
    root: Path

    @property
    def key(self) -> str:
        """The name that it has in records: ``SUITE/FILE``."""
        return f"{self.suite}/{self.name}"

    @property
    def path(self) -> str:
        """Its path below the root."""
        return str(_TESTS / self.name)

    @property
    def lifts_skips(self) -> bool:
        """True when what is skipped without a Redis result backend can be run all the same."""
        return self.suite == "celery" and self.name not in _REDIS_OWN

    def test_key(self, node_id: str) -> str:
        """Return the name in records of one of its tests."""
        return f"{self.key}::{node_id.partition('::')[2]}"


def files(suite: str) -> list[SuiteFile]:
    """Return the files of a suite; it is downloaded when it is not there yet.

    Raises:
        subprocess.CalledProcessError: it cannot be downloaded.
    """
    root = SCRATCH / f"{suite}-{version(suite)}"
    if not root.exists():
        _download(suite, root)
    if suite == "kombu":
        shutil.copyfile(_KOMBU_TESTS, root / _TESTS / _KOMBU_FILE)
        return [SuiteFile(suite=suite, name=_KOMBU_FILE, root=root)]
    return [
        SuiteFile(suite=suite, name=path.name, root=root)
        for path in sorted((root / _TESTS).glob("test_*.py"))
        if path.name not in _LEFT_OUT
    ]


SUITES: Final = ("celery", "kombu")


def versions() -> Mapping[str, str]:
    """Return the versions of what the tests come from, and run with."""
    python = ".".join(str(part) for part in sys.version_info[:2])
    return {suite: version(suite) for suite in SUITES} | {"python": python}


def _download(suite: str, root: Path) -> None:
    SCRATCH.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=SCRATCH) as folder:
        command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download"]
        command += ["--quiet", "--no-deps", "--no-binary", suite, "--dest", folder]
        subprocess.run([*command, f"{suite}=={version(suite)}"], check=True)
        (archive,) = Path(folder).glob("*.tar.gz")
        with tarfile.open(archive) as opened:
            tests = [each for each in opened.getmembers() if Path(each.name).parts[1:2] == ("t",)]
            opened.extractall(folder, members=tests, filter="data")
        # Complete or not there.
        (Path(folder) / tests[0].name.split("/")[0]).rename(root)
