"""What a command says: data on stdout, talk on stderr, and JSON for programs.

The shape of the JSON is promised: fields are added, never renamed or removed.
"""

from __future__ import annotations

import math
from datetime import datetime
from typing import Any

import click
import msgspec

from actorcloud.base.ids import JobRef
from actorcloud.client import CloudInfo
from actorcloud.protocol.job import JobDetail
from actorcloud.protocol.record import JobRecord, Outcome
from actorcloud.protocol.storestats import StoreFigures


def write_json(value: object) -> None:
    """Write one line of JSON; what JSON cannot say is written as Python would."""
    click.echo(msgspec.json.encode(value, enc_hook=repr).decode())


def write_value(value: object) -> None:
    """Write the value of a job: a text as it is, all else as JSON, or as Python would."""
    click.echo(value if isinstance(value, str) else _json_or_repr(value))


def talk(text: str, *, quiet: bool = False) -> None:
    """Say something to the person at the terminal."""
    if not quiet:
        click.echo(text, err=True)


def job_fields(ref: bytes, record: JobRecord, outcome: Outcome | None = None) -> dict[str, Any]:
    """Return what is told of a job, for `write_json`."""
    return {
        "ref": str(JobRef[Any](ref)),
        "state": record.state,
        "node": record.node or None,
        "attempt": record.attempt,
        "added_at": record.added_at,
        "changed_at": record.changed_at,
        "retries": record.retries,
        "failures": record.failures,
        "crashes": record.crashes,
        "lost": record.lost,
        "timeout": record.timeout,
        "key": record.key,
        "error": None if outcome is None else error_fields(outcome),
    }


def error_fields(outcome: Outcome) -> dict[str, str] | None:
    """Return what is told of how a job failed, None if it did not."""
    error = outcome.error
    if error is None:
        return None
    return {"type": error.type, "message": error.message, "traceback": error.traceback, "code": outcome.code}


def job_line(ref: bytes, record: JobRecord) -> str:
    """Return the line of a job in a list."""
    where = f" on {record.node}" if record.state == "running" else ""
    return f"{JobRef[Any](ref)}  {record.state:<9}  {_time(record.added_at)}  attempt {record.attempt}{where}"


def job_page(detail: JobDetail) -> str:
    """Return all that is told of one job, for people."""
    record, outcome = detail.record, detail.outcome
    lines = [
        ("job", str(JobRef[Any](detail.ref))),
        ("state", record.state),
        ("added", _time(record.added_at)),
        ("changed", _time(record.changed_at)),
        ("attempt", str(record.attempt)),
        ("node", record.node),
        ("key", record.key or ""),
        ("retries", f"{record.failures} of {record.retries} used" if record.retries else ""),
        ("crashes", str(record.crashes or "")),
        ("timeout", "" if record.timeout is None else f"{record.timeout:g} s"),
        ("error", str(outcome.error) if outcome is not None and outcome.error else ""),
    ]
    page = "\n".join(f"{name:<8} {value}" for name, value in lines if value)
    printed = output(detail).rstrip()
    return f"{page}\nprinted\n{printed}" if printed else page


def output(detail: JobDetail) -> str:
    """Return the tail of what a job has printed."""
    return detail.outcome.output.decode(errors="replace") if detail.outcome is not None else ""


def cloud_fields(info: CloudInfo) -> dict[str, Any]:
    """Return the statistics of a cloud, for `write_json`."""
    states = ("queued", "running", "suspended", "done", "failed")
    return {
        "version": info.version,
        "uptime": info.uptime,
        "commits": info.commits,
        "jobs": {state: getattr(info, state) for state in states},
        "nodes": [
            {
                "name": str(node.ref),
                "state": node.state,
                "workers": node.workers,
                "held": node.held,
                "facts": node.facts,
            }
            for node in info.nodes
        ],
        "store": store_fields(info.store),
    }


def store_fields(figures: StoreFigures) -> dict[str, Any]:
    """Return the statistics of a store, for `write_json`."""
    return msgspec.structs.asdict(figures)


def store_page(figures: StoreFigures) -> str:
    """Return the statistics of a store, for people."""
    return "\n".join(f"{name:<12} {_figure(name, value)}" for name, value in store_fields(figures).items())


def _figure(name: str, value: float) -> str:
    if name.startswith("commit_"):
        return f"{value * 1e3:.3f} ms"
    return f"{value:,.1f}" if isinstance(value, float) else f"{value:,}"


def _json_or_repr(value: object) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        # JSON has no word for it; its encoder would write null, which is another value.
        return repr(value)
    try:
        return msgspec.json.encode(value).decode()
    except (TypeError, ValueError, OverflowError):
        return repr(value)


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds).astimezone().strftime("%Y-%m-%d %H:%M:%S") if seconds else "-"
