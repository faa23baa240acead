"""How a job looks to people: the columns of a list and the fields of one job.

Called by the commands that show jobs. Refuses to know where the rows come from.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import tzinfo
from typing import Any

from taskserver.cli.output import local_time, percent, printable, yes_no
from taskserver.jobs import ENDED
from taskserver.texts import translate
from taskserver.words import status_word

Row = Mapping[str, Any]


def headings() -> list[str]:
    return [
        translate("ID"),
        translate("Status"),
        translate("Progress"),
        translate("Task"),
        translate("Title"),
        translate("Client"),
        translate("Next run"),
        translate("Detail"),
    ]


def columns(job: Row, zone: tzinfo | None) -> list[object]:
    return [
        job["id"],
        status_word(job["status"]),
        percent(job["progress"]),
        job["task"],
        job["title"],
        job["client"],
        local_time(job["next_run_at"], zone) if job["status"] == "waiting" else "",
        detail(job),
    ]


def detail(job: Row) -> str:
    """What there is to say about the job in a few words: its error, its result, or what it is doing."""
    if job["status"] == "failed":
        return str(job["error"] or "")
    if job["status"] == "finished":
        return str(job["result"] or "")
    return str(job["detail"] or job["error"] or "")


def ending(job_id: int, job: Row) -> str:
    """`job 12 finished: 40 pages`: how the job ended, in one line."""
    what = printable(detail(job))
    ended = translate("job {id} {status}", id=job_id, status=status_word(job["status"]))
    return f"{ended}: {what}" if what else ended


def fields(job: Row, zone: tzinfo | None) -> list[tuple[str, object]]:
    """Every field of the job that has a value, with its label; of a job that is gone, what its last run tells."""

    def at(name: str) -> str:
        return local_time(job.get(name), zone, with_zone=True)

    return [
        (translate("Job"), job.get("job_id") if job.get("gone") else job["id"]),
        (translate("Task"), job["task"]),
        (translate("Title"), job.get("title")),
        (translate("Description"), job.get("description")),
        (translate("Client"), job.get("client")),
        (translate("Status"), status_word(job.get("status"))),
        (translate("Removed"), translate("yes, its last run is shown") if job.get("gone") else ""),
        (translate("Deletion"), translate("as soon as it has ended") if job.get("delete_requested_at") else ""),
        (translate("Active"), "" if job.get("active", True) else yes_no(False)),
        (translate("Progress"), percent(job.get("progress"))),
        (translate("Detail"), job.get("detail")),
        (translate("Arguments"), data_text(job.get("data"))),
        (translate("Priority"), job.get("priority") or ""),
        (translate("Schedule"), job.get("cron_entry")),
        (translate("Due"), at("due_at")),
        (translate("Next run"), at("next_run_at") if job.get("status") == "waiting" else ""),
        (translate("Created"), at("created_at")),
        (translate("Created by"), job.get("created_by")),
        (translate("Started"), at("started_at")),
        (translate("Ended"), at("finished_at") or (at("ended_at") if job.get("status") in ENDED else "")),
        (translate("Last run"), at("last_run_at")),
        (translate("Node"), job.get("node_id")),
        (translate("Failed attempts"), attempts(job)),
        (translate("Crashes"), job.get("crashes") or ""),
        (translate("Unique key"), job.get("unique_key")),
        (translate("Checkpoint"), data_text(job.get("checkpoint"))),
        (translate("Result"), job.get("result")),
        (translate("Reason"), job.get("reason")),
        (translate("Error"), job.get("error")),
    ]


def attempts(job: Row) -> str:
    failed, most = job.get("attempt"), job.get("max_attempts")
    if not failed:
        return ""
    return translate("{failed} of {most}", failed=failed, most=most) if most else str(failed)


def data_text(data: Any) -> str:
    """The arguments as one line of JSON; "" for none."""
    return json.dumps(data, ensure_ascii=False) if data not in (None, {}) else ""
