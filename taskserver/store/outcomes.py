"""Outcomes: what becomes of a job when a run ended, written once and guarded by the claim.

A history row is written only for an outcome that is accepted: first the run is inserted from the job that the
claim still holds, then the job is changed under the same guard. Zero rows mean that the claim was lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from taskserver.database import Database
from taskserver.database.schema import jobs, runs
from taskserver.database.types import dump_json
from taskserver.jobs import Claim, Outcome, OutputLine, Report

Ending = tuple[Claim, Outcome]

_INSERT_RUN = """
INSERT INTO runs (id, job_id, cron_entry_id, client_id, task, title, data, login, node_id, attempt, unique_key,
  due_at, waiting_since, started_at, finished_at, status, reason, result, error, traceback, cpu_seconds, max_rss)
SELECT CAST(:run_id AS BIGINT), j.id, j.cron_entry_id, j.client_id, j.task,
  CASE WHEN j.title = '' THEN CAST(:title AS TEXT) ELSE j.title END, j.data, CAST(:login AS TEXT),
  CAST(:node_id AS TEXT), j.attempt, j.unique_key, j.due_at, {waiting_since}, j.started_at, {now},
  CAST(:run_status AS TEXT), CAST(:reason AS TEXT), CAST(:result AS TEXT), CAST(:error AS TEXT),
  CAST(:traceback AS TEXT), CAST(:cpu_seconds AS FLOAT), CAST(:max_rss AS BIGINT)
FROM jobs j WHERE j.id = :job_id AND j.claim = :run_id AND j.status IN ('running', 'stopping')
"""

# Since when nothing but a free slot was wanting: queued, due, given back or ended before, started by hand.
_WAITING_SINCE = (
    "j.created_at, COALESCE(j.next_run_at, j.created_at), COALESCE(j.ended_at, j.created_at), "
    "COALESCE(j.start_requested_at, j.created_at)"
)

# running -> finished | failed | waiting, stopping -> stopped | finished | failed: what the executor decided for a
# running job becomes the nearest allowed status when a stop was asked for meanwhile, and the other way round.
_UPDATE_JOB = """
UPDATE jobs SET
  status = CASE WHEN status = 'stopping' AND :job_status = 'waiting' THEN 'stopped'
                WHEN status = 'running' AND :job_status = 'stopped' THEN 'waiting'
                ELSE CAST(:job_status AS TEXT) END,
  ready = CASE WHEN status = 'running' AND :job_status IN ('waiting', 'stopped') AND {delay} IS NULL AND active
               THEN CASE WHEN start_requested_at IS NOT NULL THEN 2 ELSE 1 END END,
  next_run_at = CASE WHEN status = 'running' AND :job_status = 'waiting' THEN {delay} END,
  attempt = attempt + :failures, claim = NULL, claimed_by = NULL, ended_at = {now},
  last_status = CAST(:run_status AS TEXT), result = CAST(:result AS TEXT), error = CAST(:error AS TEXT),
  progress = CASE WHEN :job_status = 'finished' THEN 100 ELSE progress END
WHERE id = :job_id AND claim = :run_id AND status IN ('running', 'stopping')
"""

_UPDATE_ENTRY = """
UPDATE jobs SET last_status = CAST(:run_status AS TEXT) WHERE id = :cron_entry_id AND type = 'interval'
  AND EXISTS (SELECT 1 FROM runs WHERE id = :run_id)
"""

_REPORT = """
UPDATE jobs SET progress = COALESCE(CAST(:progress AS FLOAT), progress),
  detail = COALESCE(CAST(:detail AS TEXT), detail)
WHERE id = :job_id AND claim = :run_id
"""

_CHECKPOINT = """
UPDATE jobs SET checkpoint = {json} WHERE id = :job_id AND claim = :run_id
"""

# Deleting a running job asked it to stop; once it has ended, it goes.
# By their ids: without statistics PostgreSQL takes the condition alone for true of every row and reads the table.
_DELETE_AS_REQUESTED = """
DELETE FROM jobs WHERE {among_ids} AND delete_requested_at IS NOT NULL AND claim IS NULL
"""

# A report is sent again after a commit whose fate is unknown.
_OUTPUT = """
INSERT INTO run_output (run_id, seq, at, stream, text) VALUES (:run_id, :seq, :at, :stream, :text)
ON CONFLICT DO NOTHING
"""


class Outcomes:
    """Writes outcomes and reports. All methods run inside the caller's transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database
        instant = "CAST(:{} AS timestamptz)" if database.dialect.lateral else ":{}"
        now, delay = instant.format("now"), instant.format("next_run_at")
        document = "CAST(:checkpoint AS json)" if database.dialect.lateral else ":checkpoint"
        waiting_since = database.dialect.latest.format(_WAITING_SINCE)
        self._insert_run = database.statement(_INSERT_RUN.format(now=now, waiting_since=waiting_since))
        self._update_job = database.statement(_UPDATE_JOB.format(now=now, delay=delay))
        self._output = database.statement(_OUTPUT)
        self._update_entry = database.statement(_UPDATE_ENTRY)
        self._delete = database.statement(_DELETE_AS_REQUESTED.format(among_ids=database.dialect.among_ids))
        self._report = database.statement(_REPORT)
        self._checkpoint = database.statement(_CHECKPOINT.format(json=document))

    def apply(self, connection: Connection, endings: Sequence[Ending], node_id: str, now: datetime) -> set[int]:
        """Records the outcomes; returns the run ids that were accepted, now or by an earlier try.

        An ending whose run id is missing lost its claim: nothing was changed for it.
        """
        if not endings:
            return set()
        rows = [self._row(claim, outcome, node_id, now) for claim, outcome in endings]
        inserted = connection.exec_driver_sql(self._insert_run, rows).rowcount
        connection.exec_driver_sql(self._update_job, rows)
        if any(claim.cron_entry_id is not None for claim, _ in endings):
            connection.exec_driver_sql(self._update_entry, rows)
        run_ids = {claim.run_id for claim, _ in endings}
        connection.exec_driver_sql(
            self._delete, {"ids": self._database.dialect.numbers([claim.job_id for claim, _ in endings])}
        )
        if inserted == len(rows):
            return run_ids
        recorded = connection.execute(
            select(runs.c.id).where(runs.c.id.in_(run_ids), runs.c.node_id == node_id, runs.c.status != "lost")
        )
        return {row.id for row in recorded}

    def report(self, connection: Connection, reports: Sequence[Report]) -> set[int]:
        """Writes progress, output and checkpoints; returns the run ids whose claim was lost."""
        told = [report for report in reports if report.progress is not None or report.detail is not None]
        held = self._held(connection, reports)
        # A run that committed its outcome with its own transaction holds no claim any more, but has last words.
        spoken = held | self._ended(connection, {report.run_id for report in reports} - held)
        if told:
            rows = [
                {
                    "job_id": report.job_id,
                    "run_id": report.run_id,
                    "progress": report.progress,
                    "detail": report.detail,
                }
                for report in told
            ]
            connection.exec_driver_sql(self._report, rows)
        for report in reports:
            if report.has_checkpoint and report.run_id in held:
                self.checkpoint(connection, report.job_id, report.run_id, report.checkpoint)
            if report.lines and report.run_id in spoken:
                self.output(connection, report.run_id, report.lines)
        return {report.run_id for report in reports} - spoken

    def checkpoint(self, connection: Connection, job_id: int, run_id: int, data: Any) -> None:
        row = {"job_id": job_id, "run_id": run_id, "checkpoint": dump_json(data)}
        connection.exec_driver_sql(self._checkpoint, row)

    def output(self, connection: Connection, run_id: int, lines: Sequence[OutputLine]) -> None:
        rows = [
            {
                "run_id": run_id,
                "seq": line.seq,
                "at": self._database.instant(line.at),
                "stream": line.stream,
                "text": line.text,
            }
            for line in lines
        ]
        connection.exec_driver_sql(self._output, rows)

    @staticmethod
    def _ended(connection: Connection, run_ids: set[int]) -> set[int]:
        if not run_ids:
            return set()
        rows = connection.execute(select(runs.c.id).where(runs.c.id.in_(run_ids), runs.c.status != "lost"))
        return {row.id for row in rows}

    @staticmethod
    def _held(connection: Connection, reports: Sequence[Report]) -> set[int]:
        rows = connection.execute(
            select(jobs.c.claim).where(
                jobs.c.id.in_([report.job_id for report in reports]),
                jobs.c.claim.in_([report.run_id for report in reports]),
            )
        )
        return {row.claim for row in rows}

    def _row(self, claim: Claim, outcome: Outcome, node_id: str, now: datetime) -> dict[str, Any]:
        return {
            "run_id": claim.run_id,
            "job_id": claim.job_id,
            "cron_entry_id": claim.cron_entry_id,
            "title": claim.title,
            "login": claim.login,
            "node_id": node_id,
            "now": self._database.instant(now),
            "run_status": outcome.run_status.value,
            "job_status": outcome.job_status.value,
            "reason": outcome.reason.value if outcome.reason else None,
            "result": outcome.result,
            "error": outcome.error,
            "traceback": outcome.traceback,
            "cpu_seconds": outcome.cpu_seconds,
            "max_rss": outcome.max_rss,
            "failures": 1 if outcome.counts_as_failure else 0,
            "next_run_at": self._database.instant(now + outcome.retry_in if outcome.retry_in else None),
        }
