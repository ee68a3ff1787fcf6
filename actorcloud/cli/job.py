"""The commands about jobs: add, list, look at, wait for, cancel and delete."""

from __future__ import annotations

from typing import Any

import click

from actorcloud.base.exitcode import ExitCode
from actorcloud.base.ids import JobRef
from actorcloud.cli import report
from actorcloud.cli.exits import Failure
from actorcloud.cli.function import find_function, read_argument, see_working_directory
from actorcloud.cli.option import option
from actorcloud.cli.place import Place, speaks_to_head
from actorcloud.client import Cloud, listed
from actorcloud.protocol.job import GetJob, JobDetail
from actorcloud.protocol.record import Outcome


@click.command(context_settings={"allow_interspersed_args": False}, short_help="Add a job and print its reference.")
@click.argument("function", metavar="MODULE:FUNCTION")
@click.argument("arguments", metavar="[ARG]...", nargs=-1)
@option("retries")
@option("run_timeout")
@option("key")
@speaks_to_head
def add_job(function: str, arguments: tuple[str, ...], *, place: Place, **options: Any) -> None:
    """Add the job FUNCTION(ARG, ...) and print its reference.

    An ARG is JSON (3, [1, 2], '"3"'), else text; a '--' before the first is left out. The job is on disk when
    this returns.
    """
    fun = find_function(function)
    # No option may follow FUNCTION, so click leaves a `--` that is written there all the same.
    given = arguments[1:] if arguments[:1] == ("--",) else arguments
    values = [read_argument(text) for text in given]
    with place.open() as cloud:
        adder = cloud.options(retries=options["retries"], timeout=options["run_timeout"], key=options["key"])
        ref = adder.add_job(fun, *values)
        click.echo(str(ref))


@click.command()
@option("state")
@option("limit")
@option("json")
@speaks_to_head
def jobs(*, state: str | None, limit: int, json: bool, place: Place) -> None:
    """List jobs, the newest first.

    A store that --store names is looked at without a head where none has it; no job runs then.
    """
    with place.open_store() as cloud:
        count = 0
        # One more than is shown tells whether there are more.
        for ref, record in listed(cloud.room.session, state, limit + 1):
            count += 1
            if count > limit:
                place.talk(f"there are more than these {limit}, older ones; --limit shows more")
            elif json:
                outcome = _detail(cloud, ref).outcome if record.state in {"failed", "suspended"} else None
                report.write_json(report.job_fields(ref, record, outcome))
            else:
                click.echo(report.job_line(ref, record))
        if count == 0:
            place.talk("no jobs" if state is None else f"no jobs are {state}")


@click.command(short_help="Show one job: state, error and what it printed.")
@click.argument("ref")
@option("json")
@speaks_to_head
def job(ref: str, *, json: bool, place: Place) -> None:
    """Show one job: its state, attempts, error and what it printed."""
    raw = JobRef[Any].parse(ref).raw
    with place.open_store() as cloud:
        detail = _detail(cloud, raw)
    if json:
        report.write_json({**report.job_fields(raw, detail.record, detail.outcome), "output": report.output(detail)})
    else:
        click.echo(report.job_page(detail))


@click.command()
@click.argument("ref")
@option("timeout")
@option("json")
@speaks_to_head
def result(ref: str, *, timeout: float | None, json: bool, place: Place) -> None:
    """Wait for a job and print its value.

    Exit code: 0 done, 1 it raised (the remote traceback is on stderr), 124 timed out, 130 interrupted (the
    job goes on), 137 cancelled, or suspended because its process died.
    """
    parsed = JobRef[Any].parse(ref)
    with place.open() as cloud:
        try:
            for _ in cloud.as_completed([parsed], timeout):
                pass
        except KeyboardInterrupt:
            place.talk(f"job {parsed} goes on")
            raise
        detail = _detail(cloud, parsed.raw)
        if detail.record.state != "done":
            _report_failure(detail, json=json)
        see_working_directory()
        value = cloud.result(parsed)
    if json:
        report.write_json({"ref": str(parsed), "state": "done", "value": value, "error": None})
    else:
        report.write_value(value)


@click.command()
@click.argument("ref")
@speaks_to_head
def cancel(ref: str, *, place: Place) -> None:
    """Kill a job and keep its record.

    Exit code: 0, or 1 if it had ended before.
    """
    parsed = JobRef[Any].parse(ref)
    with place.open() as cloud:
        if not cloud.cancel(parsed):
            outcome = _detail(cloud, parsed.raw).outcome
            how = "was cancelled before" if outcome and outcome.code == "job-cancelled" else "had ended by itself"
            raise Failure(f"job {parsed} {how}", ExitCode.FAILED)
    place.talk(f"cancelled {parsed}")


@click.command(short_help="Kill a job and forget it.")
@click.argument("ref")
@speaks_to_head
def delete_job(ref: str, *, place: Place) -> None:
    """Kill a job if it runs and remove all traces of it: record, result and store keys."""
    parsed = JobRef[Any].parse(ref)
    with place.open() as cloud:
        cloud.delete_job(parsed)
    place.talk(f"deleted {parsed}")


def _detail(cloud: Cloud, raw: bytes) -> JobDetail:
    return cloud.room.session.call(GetJob(raw), JobDetail)


def _report_failure(detail: JobDetail, *, json: bool) -> None:
    """Tell how a job ended that has no value, and end with the code that says so."""
    outcome = detail.outcome or Outcome(detail.record.state)
    ref, error = JobRef[Any](detail.ref), outcome.error
    if json:
        fields = report.error_fields(outcome)
        report.write_json({"ref": str(ref), "state": detail.record.state, "value": None, "error": fields})
    if detail.record.state == "suspended":
        told = f": {error.message}" if error is not None else ""
        raise Failure(f"job {ref} is suspended{told}", ExitCode.KILLED)
    if outcome.code == "job-cancelled":
        raise Failure(f"job {ref} was cancelled", ExitCode.KILLED)
    if outcome.code == "job-timeout":
        raise Failure(f"job {ref}: {error.message if error else 'a run took too long'}", ExitCode.TIMED_OUT)
    if error is not None and error.traceback:
        report.talk(error.traceback.rstrip())
    raise Failure(f"job {ref} failed: {error}", ExitCode.FAILED)
