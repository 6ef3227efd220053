"""Runs ``provision apply`` and ``destroy``, killed at each request that writes, and once more.

A process of its own, because each run is a fork of it, which SIGKILL ends. Prints, as JSON, how
many such requests each command had and what was not as it should be.
"""

import json
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

import botocore.session

from celery_aws.aws import clients
from celery_aws.cli import provision_apply, provision_destroy, provision_plan
from celery_aws.testing.fixtures import AwsEnvironment
from tests.integration.cli.provisioning import Provisioning

#: Events of botocore's: before a request goes out, and when its answer is there.
EVENTS = {"not executed": "before-send", "executed": "response-received"}

#: Imported here once, and not by each fork.
COMMANDS = (provision_apply, provision_destroy, provision_plan)

#: What only reads is killed in unit tests.
READING = ("Get", "Describe", "List", "Head", "Scan")

#: More than any of the commands has.
MOST_REQUESTS = 100


def with_models_at_hand() -> None:
    """Read the API models here, once: a fork would read them again, which takes half a second."""
    session = botocore.session.Session()
    for service in ("sqs", "dynamodb", "s3"):
        session.create_client(service)
    loader, make_session = session.get_component("data_loader"), clients._session

    def made(access: Any) -> Any:
        found = make_session(access)
        found.register_component("data_loader", loader)
        return found

    clients._session = made


def killed_at(request: int, event: str) -> None:
    """End this process by SIGKILL at one of its requests that write."""
    make_session, seen = clients._session, 0

    def count(*, event_name: str, **_: Any) -> None:
        nonlocal seen
        operation = event_name.rpartition(".")[2]
        seen += not operation.startswith(READING)
        if seen == request:
            os.kill(os.getpid(), signal.SIGKILL)

    def made(access: Any) -> Any:
        found = make_session(access)
        found.register(EVENTS[event], count)
        return found

    clients._session = made


def in_child(work: Callable[[], int]) -> int:
    """Return what a fork of this process ended with; negative is the signal that ended it."""
    pid = os.fork()
    if pid == 0:
        ended = 70
        try:
            ended = work()
        finally:
            os._exit(ended)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


class Trial:
    """A command that is killed at each of its requests in turn."""

    def __init__(self, shop: Provisioning, event: str) -> None:
        self._shop = shop
        self._event = event
        self.problems: list[str] = []

    def apply(self) -> int:
        """Return how many requests of ``apply`` write."""
        return self._each(lambda: None, "apply", "--yes", planned=0)

    def destroy(self) -> int:
        """Return how many requests of ``destroy`` write."""
        prefix = self._shop.here.queue_name_prefix
        arguments = ("destroy", "--with-messages", "--yes-destroy", prefix)
        return self._each(lambda: self._expect(0, "apply", "--yes"), *arguments, planned=1)

    def _each(self, before: Callable[[], None], *command: str, planned: int) -> int:
        for request in range(1, MOST_REQUESTS):
            before()
            if not self._killed(request, *command):
                return request - 1
            self._expect(0, *command, after=request)
            self._expect(planned, "plan", after=request)
            if command[0] == "apply":
                prefix = self._shop.here.queue_name_prefix
                self._expect(0, "destroy", "--with-messages", "--yes-destroy", prefix)
        raise AssertionError(f"{command} has no end")

    def _killed(self, request: int, *arguments: str) -> bool:
        """Run a command that is killed at a request; False if it has fewer."""

        def work() -> int:
            killed_at(request, self._event)
            return self._shop.run(*arguments).exit_code

        ended = in_child(work)
        if ended not in (0, -signal.SIGKILL):
            self.problems.append(f"{arguments[0]}, request {request}: ended with {ended}")
        return ended == -signal.SIGKILL

    def _expect(self, wanted: int, *arguments: str, after: int = 0) -> None:
        found = in_child(lambda: self._shop.run(*arguments).exit_code)
        if found != wanted:
            self.problems.append(f"killed at {after}: {arguments[0]} ended with {found}")


def main() -> None:
    given = json.loads(sys.argv[1])
    with_models_at_hand()
    shop = Provisioning(AwsEnvironment(**given["here"]), **given["conf"])
    trial = Trial(shop, given["event"])
    requests = {"apply": trial.apply(), "destroy": trial.destroy()}
    sys.stdout.write(json.dumps({"requests": requests, "problems": trial.problems}))


if __name__ == "__main__":
    main()
