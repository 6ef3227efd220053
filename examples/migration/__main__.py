"""The rehearsal: a shop on Redis moves to SQS and DynamoDB while its customers go on ordering.

``python -m examples.migration back`` is called off half way, and goes back. Exit code 0 if every
order came to what it should; 1 with what did not.
"""

import signal
import sys
import tempfile
from pathlib import Path
from types import FrameType

from examples.migration import screen
from examples.migration.fleet import Fleet
from examples.migration.story import Story
from examples.migration.way_back import WayBack

#: Seconds for everything.
DEADLINE = 600


class TooSlowError(Exception):
    """The deadline is over."""


def main() -> int:
    """Rehearse and return the exit code."""
    signal.signal(signal.SIGALRM, _too_slow)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    signal.alarm(DEADLINE)
    try:
        with tempfile.TemporaryDirectory(prefix="celery-aws-migration-") as scratch:
            return _rehearsed(Path(scratch))
    except KeyboardInterrupt:
        return 130
    finally:
        signal.alarm(0)


def _rehearsed(scratch: Path) -> int:
    with Fleet(scratch) as fleet:
        story = WayBack(fleet) if sys.argv[1:] == ["back"] else Story(fleet)
        try:
            claims = story.tell()
        except Exception as error:  # noqa: BLE001 - whatever it is, it is what the rehearsal shows
            print(f"\nFAILED {type(error).__name__}: {error}")
            for name, worker in fleet.workers.items():
                print(f"The last lines of {name}:")
                screen.said(worker.log.splitlines()[-15:])
            return 1
    screen.claims(claims)
    return 0 if all(claims.values()) else 1


def _too_slow(_number: int, _frame: FrameType | None) -> None:
    raise TooSlowError(f"not done within {DEADLINE} s")


if __name__ == "__main__":
    sys.exit(main())
