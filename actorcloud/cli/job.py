"""The commands about jobs: add, list, look at, wait for, cancel and delete."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import click

from actorcloud.base.errors import NoSuchJob
from actorcloud.base.exitcode import ExitCode
from actorcloud.base.ids import JobRef
from actorcloud.cli import report
from actorcloud.cli.exits import Failure
from actorcloud.cli.function import find_function, read_argument, see_working_directory
from actorcloud.cli.option import option
from actorcloud.cli.place import Place, speaks_to_head
from actorcloud.cli.reference import find_job, find_jobs
from actorcloud.client import Cloud, listed
from actorcloud.protocol.job import GetJob, JobDetail
from actorcloud.protocol.record import Outcome

#: Jobs that are killed at a time: their commits are one.
_AT_A_TIME = 64


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
    _refuse_late_options(arguments)
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
    with place.open_store() as cloud:
        detail = _detail(cloud, find_job(cloud, ref).raw)
    if json:
        report.write_json(
            {**report.job_fields(detail.ref, detail.record, detail.outcome), "output": report.output(detail)}
        )
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
    with place.open() as cloud:
        parsed = find_job(cloud, ref)
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


@click.command(short_help="Kill jobs and keep their records.")
@click.argument("refs", metavar="REF...", nargs=-1, required=True)
@speaks_to_head
def cancel(refs: tuple[str, ...], *, place: Place) -> None:
    """Kill jobs and keep their records.

    Exit code: 0, or 1 if one had ended before or is unknown; the others are cancelled all the same.
    """

    def kill(cloud: Cloud, ref: JobRef[Any]) -> str:
        if not cloud.cancel(ref):
            outcome = _detail(cloud, ref.raw).outcome
            how = "was cancelled before" if outcome and outcome.code == "job-cancelled" else "had ended by itself"
            raise Failure(f"job {ref} {how}", ExitCode.FAILED)
        return f"cancelled {ref}"

    _each(refs, kill, place)


@click.command(short_help="Kill jobs and forget them.")
@click.argument("refs", metavar="REF...", nargs=-1, required=True)
@speaks_to_head
def delete_job(refs: tuple[str, ...], *, place: Place) -> None:
    """Kill jobs if they run and remove all traces of them: records, results and store keys.

    Exit code: 0, or 1 if one is unknown; the others are deleted all the same.
    """

    def kill(cloud: Cloud, ref: JobRef[Any]) -> str:
        cloud.delete_job(ref)
        return f"deleted {ref}"

    _each(refs, kill, place)


def _each(refs: tuple[str, ...], change: Callable[[Cloud, JobRef[Any]], str], place: Place) -> None:
    """Change jobs, many at a time; say of each what was done or why not, and fail in the end if one could not be."""
    failed = False
    with place.open() as cloud:
        found = find_jobs(cloud, refs)
        pool = ThreadPoolExecutor(_AT_A_TIME)
        try:
            for changing in [pool.submit(_change, change, cloud, ref) for ref in found]:
                try:
                    place.talk(changing.result())
                except (Failure, NoSuchJob) as error:
                    failed = True
                    report.talk(f"actorcloud: {error}")
        finally:
            # All are changed, or the person has pressed Ctrl-C: those that wait for their turn are left alone then.
            pool.shutdown(wait=False, cancel_futures=True)
    if failed:
        raise Failure(None, ExitCode.FAILED)


def _change(change: Callable[[Cloud, JobRef[Any]], str], cloud: Cloud, found: JobRef[Any] | NoSuchJob) -> str:
    if isinstance(found, NoSuchJob):
        raise found
    return change(cloud, found)


def _refuse_late_options(arguments: tuple[str, ...]) -> None:
    """See that no option stands among a job's arguments, where it would be one of them.

    Raises:
        UsageError: there is one, and no `--` before the first argument.
    """
    ours = {name for option in click.get_current_context().command.params for name in option.opts} | {"-h", "--help"}
    late = [text for text in arguments if text.partition("=")[0] in ours]
    if late and arguments[0] != "--":
        raise click.UsageError(f"{late[0]} stands before MODULE:FUNCTION; as an argument of the job, after a '--'")


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
