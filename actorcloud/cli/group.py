"""A group of commands that are loaded when they are used."""

from __future__ import annotations

import importlib
import keyword
from collections.abc import Mapping
from typing import Any

import click


class Group(click.Group):
    """See the module.

    Args:
        homes: command -> the file of this package that has it, in the order of help; the function is
            called like the command.
    """

    def __init__(self, *args: Any, homes: Mapping[str, str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.homes = homes

    def list_commands(self, ctx: click.Context) -> list[str]:
        """See `click.Group.list_commands`."""
        del ctx
        return list(self.homes)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """See `click.Group.get_command`."""
        del ctx
        if cmd_name not in self.homes:
            return None
        module = importlib.import_module(f"actorcloud.cli.{self.homes[cmd_name]}")
        name = cmd_name.replace("-", "_")
        # A keyword cannot be the name of a function.
        command: click.Command = getattr(module, f"{name}_" if keyword.iskeyword(name) else name)
        return command
