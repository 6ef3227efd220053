"""AWS's own DynamoDB Local, where somebody has it: its folder is named by an environment variable.

It needs a JDK of 17 or newer. What it does not do (it says so itself, or see "DynamoDB local usage
notes" in the developer guide) is marked in the tests; for the rest AWS has written both.
"""

import os
import shutil
import subprocess
from pathlib import Path

from celery_aws.errors import ProcessFailedError
from celery_aws.local.output import ProcessOutput

#: Names the folder with DynamoDBLocal.jar and the libraries that come with it.
FOLDER_VARIABLE = "CELERY_AWS_DYNAMODB_LOCAL"

_PROGRAM = Path(__file__).with_name("ServeOnLoopback.java")

#: Seconds for the start, in which Java compiles the program.
START_SECONDS = 60.0

END_SECONDS = 10.0


def folder() -> Path | None:
    """Return the folder that the variable names, or None."""
    named = os.environ.get(FOLDER_VARIABLE)
    return Path(named) if named else None


class DynamoDbLocal:
    """A server in memory, on loopback; it ends with this process, killed or not."""

    def __init__(self, libraries: Path) -> None:
        self.endpoint_url = ""
        self._libraries = libraries

    def start(self) -> None:
        # As the archive of AWS has them, and as Maven does: all in one folder.
        native = [self._libraries, self._libraries / "DynamoDBLocal_lib"]
        command = [
            shutil.which("java") or "java",
            f"-Djava.library.path={os.pathsep.join(map(str, native))}",
            "-cp",
            os.pathsep.join(f"{each}/*" for each in native),
            str(_PROGRAM),
        ]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        assert self._process.stdout is not None
        self._output = ProcessOutput("dynamodb-local", self._process.stdout)
        self._output.start()
        if not self._output.wait_for(r"^port \d+$", START_SECONDS):
            self.stop()
            raise ProcessFailedError("DynamoDB Local did not start", output=self._output.tail())
        ports = [line for line in self._output.text.splitlines() if line.startswith("port ")]
        self.endpoint_url = f"http://127.0.0.1:{ports[0].split()[1]}"

    def stop(self) -> None:
        if self._process.stdin is not None:
            self._process.stdin.close()  # what it ends by
        try:
            self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._output.stop(END_SECONDS)
