"""Click groups that find their commands by name, and import one when it is used.

Celery loads every group under ``celery.commands`` whenever ``celery`` is called, ``celery
worker`` included: this module must stay as cheap as click itself.
"""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import click


class LazyGroup(click.Group):
    """Commands by name, imported late.

    Args:
        name: of the group.
        commands_at: modules that have one each, under the name ``command``, by the command's name.
        summaries: the line of each command that the overview shows.
        attributes: what a group takes.
    """

    def __init__(
        self,
        name: str | None = None,
        *,
        commands_at: Mapping[str, str] | None = None,
        summaries: Mapping[str, str] | None = None,
        **attributes: Any,
    ) -> None:
        super().__init__(name, **attributes)
        self._commands_at = commands_at or {}
        self._summaries = summaries or {}

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Return the names, without importing anything."""
        return sorted(self._commands_at)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import one command."""
        if cmd_name not in self._commands_at:
            return None
        command: click.Command = import_module(self._commands_at[cmd_name]).command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the overview, without importing anything."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, self._summaries[name]) for name in self.list_commands(ctx)])
