"""``celery -A proj aws provision ...`` on the local AWS."""

import json
from typing import Any

from celery import Celery
from celery.bin.base import CLIContext
from click.testing import CliRunner, Result

from celery_aws.cli import aws
from celery_aws.testing.fixtures import AwsEnvironment


class Provisioning:
    """An app of a corner of the local AWS, and its command line.

    Args:
        here: that corner.
        conf: other settings of the app; ``broker_transport_options`` are added to those of the
            corner.
    """

    def __init__(self, here: AwsEnvironment, **conf: Any) -> None:
        self.here = here
        config = here.celery_config()
        options = {**config["broker_transport_options"], **conf.pop("broker_transport_options", {})}
        self.app = Celery("shop", set_as_current=False)
        self.app.conf.update({**config, **conf, "broker_transport_options": options})

    def run(self, *arguments: str, typed: str = "") -> Result:
        context = CLIContext(app=self.app, no_color=True, workdir=None)
        return CliRunner().invoke(aws, ["provision", *arguments], obj=context, input=typed)

    def apply(self, *arguments: str) -> Result:
        """Run ``apply --yes``, which must succeed."""
        ended = self.run("apply", "--yes", *arguments)
        assert ended.exit_code == 0, ended.output
        return ended

    def plan(self) -> dict[str, Any]:
        """Return what ``plan --json`` prints."""
        ended = self.run("plan", "--json")
        assert ended.exit_code in (0, 1), ended.output
        facts: dict[str, Any] = json.loads(ended.stdout)
        to_do = sum(count for verdict, count in facts["counts"].items() if verdict != "leave")
        assert ended.exit_code == bool(to_do)
        return facts

    def to_do(self) -> dict[str, list[str]]:
        """Return what is different in what is not as planned, by name."""
        return {
            step["name"]: [each["name"] for each in step["differences"]]
            for step in self.plan()["steps"]
            if step["verdict"] != "leave"
        }

    def export(self, form: str, *arguments: str) -> Any:
        """Return what ``export`` prints."""
        ended = self.run("export", "--format", form, *arguments)
        assert ended.exit_code == 0, ended.output
        return json.loads(ended.stdout)

    def destroy(self, *arguments: str) -> Result:
        """Run ``destroy`` without a question."""
        return self.run("destroy", "--yes-destroy", self.here.queue_name_prefix, *arguments)
