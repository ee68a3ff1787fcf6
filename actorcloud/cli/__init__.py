"""The command line: `actorcloud`, the door for people.

::

    program       the commands; errors into words on stderr and exit codes (`exits`)
    option        settings as options; configuration files
    place         which head a command speaks to; `function`: what to run there
    report        data on stdout, talk on stderr; JSON
    job, cloud    the commands that ask a head, by `client`
    store         the commands about what is stored (`storegroup`); `stored`: keys and values in text
    administration   the commands about the store itself, by `head`
    head, node    the commands that are a process; `respawn` keeps a head alive
    demo          the proof: `demojob` what runs, `demoprocess` where, `screen` what is seen

Loaded at the first use: jobs of the demo are imported by worker processes, which need no click.
"""

from __future__ import annotations


def main() -> None:
    """Run the command line of this process; ends it with the command's exit code."""
    from actorcloud.cli.program import program

    program(prog_name="actorcloud")


__all__ = ["main"]
