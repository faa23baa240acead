"""The first schema: jobs, runs, clients, nodes, tasks and what belongs to them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from taskserver.database.migrations.checks import checks, instant
from taskserver.database.types import Json

revision = "0001"
down_revision = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")  # SQLite numbers only INTEGER PRIMARY KEY by itself

# Nanoseconds since 1970: a later row stands behind an earlier one without anybody counting.
POSITION = {
    "sqlite": "(CAST(strftime('%s', 'now') AS INTEGER) * 1000000000"
    " + CAST(substr(strftime('%f', 'now'), 4) AS INTEGER) * 1000000)",
    "postgresql": "((extract(epoch from clock_timestamp()) * 1000000)::bigint * 1000)",
}
TRUE = {"sqlite": "1", "postgresql": "true"}
FALSE = {"sqlite": "0", "postgresql": "false"}


def upgrade() -> None:
    dialect = op.get_bind().dialect.name
    _people(dialect)
    _jobs(dialect)
    _runs(dialect)
    _daemons(dialect)
    _indexes()
    {"sqlite": _sqlite_triggers, "postgresql": _postgresql_triggers}[dialect]()
    op.execute("INSERT INTO clients (name, title, login) VALUES ('default', '', 'default')")
    op.execute("INSERT INTO settings (name, value) VALUES ('autostart', 'on'), ('last_run_id', '0')")


def _people(dialect: str) -> None:
    op.create_table(
        "clients",
        sa.Column("id", ID, primary_key=True),
        sa.Column("name", sa.Text, nullable=False, unique=True),
        sa.Column("title", sa.Text, nullable=False, server_default=""),
        sa.Column("login", sa.Text),
        sa.Column("max_parallel", sa.Integer),
        instant("created_at", dialect, now=True),
        *checks(dialect, "clients", instants=["created_at"]),
        sa.CheckConstraint("login <> ''", name="clients_login"),
        sa.CheckConstraint("max_parallel > 0", name="clients_max_parallel"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "users",
        sa.Column("id", ID, primary_key=True),
        sa.Column("name", sa.Text, nullable=False, unique=True),
        sa.Column("password_hash", sa.Text),
        sa.Column("language", sa.Text),
        sa.Column("time_zone", sa.Text),
        sa.Column("active", sa.Boolean, nullable=False, server_default=sa.text(TRUE[dialect])),
        instant("created_at", dialect, now=True),
        *checks(dialect, "users", instants=["created_at"]),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "settings",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
    )
    op.create_table(
        "audit",
        sa.Column("id", ID, primary_key=True),
        instant("at", dialect, now=True),
        sa.Column("actor", sa.Text, nullable=False, server_default=""),
        sa.Column("source", sa.Text, nullable=False, server_default=""),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("client_id", sa.BigInteger),
        sa.Column("job_id", sa.BigInteger),
        sa.Column("detail", Json, nullable=False, server_default="{}"),
        *checks(dialect, "audit", instants=["at"], documents=["detail"]),
        sqlite_autoincrement=True,
    )


def _jobs(dialect: str) -> None:
    op.create_table(
        "jobs",
        sa.Column("id", ID, primary_key=True),
        sa.Column("client_id", ID, sa.ForeignKey("clients.id"), nullable=False, server_default="1"),
        sa.Column("type", sa.Text, nullable=False, server_default="once"),
        sa.Column("name", sa.Text),
        sa.Column("cron_entry_id", sa.BigInteger),
        instant("due_at", dialect),
        sa.Column("task", sa.Text, nullable=False),
        sa.Column("title", sa.Text, nullable=False, server_default=""),
        sa.Column("description", sa.Text, nullable=False, server_default=""),
        sa.Column("data", Json, nullable=False, server_default="{}"),
        sa.Column("cron_spec", sa.Text),
        sa.Column("time_zone", sa.Text),
        sa.Column("misfire", sa.Text, nullable=False, server_default="once"),
        sa.Column("overlap", sa.Text, nullable=False, server_default="skip"),
        sa.Column("active", sa.Boolean, nullable=False, server_default=sa.text(TRUE[dialect])),
        sa.Column("node_id", sa.Text),
        sa.Column("priority", sa.Integer, nullable=False, server_default="0"),
        sa.Column("position", sa.BigInteger, nullable=False, server_default=sa.text(POSITION[dialect])),
        sa.Column("status", sa.Text, server_default="waiting"),
        sa.Column("ready", sa.SmallInteger, server_default="1"),
        instant("next_run_at", dialect),
        sa.Column("lane", sa.Text, nullable=False, server_default=""),
        instant("last_run_at", dialect),
        sa.Column("last_status", sa.Text),
        sa.Column("attempt", sa.Integer, nullable=False, server_default="0"),
        sa.Column("max_attempts", sa.Integer),
        sa.Column("crashes", sa.Integer, nullable=False, server_default="0"),
        sa.Column("unique_key", sa.Text),
        sa.Column("claim", sa.BigInteger),
        sa.Column("claimed_by", sa.BigInteger),
        instant("started_at", dialect),
        instant("ended_at", dialect),
        instant("start_requested_at", dialect),
        instant("stop_requested_at", dialect),
        instant("kill_requested_at", dialect),
        instant("delete_requested_at", dialect),
        sa.Column("progress", sa.Float),
        sa.Column("detail", sa.Text),
        sa.Column("checkpoint", Json),
        sa.Column("result", sa.Text),
        sa.Column("error", sa.Text),
        instant("created_at", dialect, now=True),
        sa.Column("created_by", sa.Text, nullable=False, server_default=""),
        sa.CheckConstraint("type IN ('once', 'interval')", name="jobs_type"),
        sa.CheckConstraint(
            "status IN ('waiting', 'running', 'stopping', 'stopped', 'finished', 'failed')", name="jobs_status"
        ),
        sa.CheckConstraint("type = 'once' OR (name IS NOT NULL AND cron_spec IS NOT NULL)", name="jobs_entry"),
        sa.CheckConstraint("misfire IN ('once', 'all', 'skip')", name="jobs_misfire"),
        sa.CheckConstraint("overlap IN ('skip', 'queue')", name="jobs_overlap"),
        sa.CheckConstraint("ready IN (0, 1, 2)", name="jobs_ready"),
        sa.CheckConstraint("max_attempts > 0", name="jobs_max_attempts"),
        sa.CheckConstraint("task <> ''", name="jobs_task"),
        sa.CheckConstraint(
            "(claim IS NULL) = (status IS NULL OR status NOT IN ('running', 'stopping'))", name="jobs_claim"
        ),
        *checks(
            dialect,
            "jobs",
            instants=[
                *("due_at", "next_run_at", "last_run_at", "started_at", "ended_at", "start_requested_at"),
                *("stop_requested_at", "kill_requested_at", "delete_requested_at", "created_at"),
            ],
            documents=["data", "checkpoint"],
            # SQLite keeps whatever it is given in any column; what reads the row relies on these.
            types={
                "text": [
                    *("name", "task", "title", "description", "data", "cron_spec", "time_zone", "node_id", "lane"),
                    *("unique_key", "detail", "checkpoint", "result", "error", "created_by"),
                ],
                "integer": [
                    "cron_entry_id",
                    "priority",
                    "position",
                    "attempt",
                    "max_attempts",
                    "crashes",
                    "claim",
                ],
            },
        ),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "missed_runs",
        sa.Column("id", ID, primary_key=True),
        sa.Column("cron_entry_id", sa.BigInteger, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        instant("first_due_at", dialect),
        instant("last_due_at", dialect),
        sa.Column("count", sa.Integer, nullable=False),
        instant("at", dialect, now=True),
        *checks(dialect, "missed_runs", instants=["first_due_at", "last_due_at", "at"]),
        sqlite_autoincrement=True,
    )


def _runs(dialect: str) -> None:
    op.create_table(
        "runs",
        sa.Column("id", ID, primary_key=True, autoincrement=False),
        sa.Column("job_id", sa.BigInteger, nullable=False),
        sa.Column("cron_entry_id", sa.BigInteger),
        sa.Column("client_id", sa.BigInteger, nullable=False),
        sa.Column("task", sa.Text, nullable=False),
        sa.Column("title", sa.Text, nullable=False, server_default=""),
        sa.Column("data", Json, nullable=False, server_default="{}"),
        sa.Column("login", sa.Text),
        sa.Column("node_id", sa.Text),
        sa.Column("attempt", sa.Integer, nullable=False, server_default="0"),
        sa.Column("unique_key", sa.Text),
        instant("due_at", dialect),
        instant("started_at", dialect),
        instant("finished_at", dialect),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("result", sa.Text),
        sa.Column("error", sa.Text),
        sa.Column("traceback", sa.Text),
        sa.Column("cpu_seconds", sa.Float),
        sa.Column("max_rss", sa.BigInteger),
        sa.CheckConstraint(
            "status IN ('finished', 'failed', 'stopped', 'lost', 'success', 'failure')", name="runs_status"
        ),
        *checks(dialect, "runs", instants=["due_at", "started_at", "finished_at"], documents=["data"]),
    )
    op.create_table(
        "run_output",
        sa.Column("run_id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("seq", sa.Integer, primary_key=True, autoincrement=False),
        instant("at", dialect, now=True),
        sa.Column("stream", sa.Text, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        *checks(dialect, "run_output", instants=["at"]),
        sqlite_with_rowid=False,
    )


def _daemons(dialect: str) -> None:
    op.create_table(
        "nodes",
        sa.Column("id", ID, primary_key=True),
        sa.Column("node_id", sa.Text, nullable=False),
        sa.Column("boot_id", sa.Text, nullable=False, unique=True),
        sa.Column("pid", sa.BigInteger),
        sa.Column("version", sa.Text),
        sa.Column("slots", sa.Integer, nullable=False, server_default="0"),
        sa.Column("tasks", Json, nullable=False, server_default="[]"),
        sa.Column("control_socket", sa.Text),
        sa.Column("only_own_jobs", sa.Boolean, nullable=False, server_default=sa.text(FALSE[dialect])),
        instant("started_at", dialect, now=True),
        instant("heartbeat_at", dialect, now=True),
        sa.Column("lease_seconds", sa.Float, nullable=False, server_default="60"),
        instant("ended_at", dialect),
        *checks(dialect, "nodes", instants=["started_at", "heartbeat_at", "ended_at"], documents=["tasks"]),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "tasks",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("title", sa.Text, nullable=False, server_default=""),
        sa.Column("description", sa.Text, nullable=False, server_default=""),
        sa.Column("schema", Json, nullable=False, server_default="{}"),
        sa.Column("max_parallel", sa.Integer),
        sa.Column("timeout", sa.Float),
        sa.Column("max_attempts", sa.Integer, nullable=False, server_default="1"),
        sa.Column("max_crashes", sa.Integer, nullable=False, server_default="3"),
        sa.Column("on_crash", sa.Text, nullable=False, server_default="requeue"),
        sa.Column("kind", sa.Text, nullable=False, server_default="python"),
        instant("published_at", dialect, now=True),
        *checks(dialect, "tasks", instants=["published_at"], documents=["schema"]),
    )


def _indexes() -> None:
    for name, table, columns, where, unique in (
        ("jobs_ready", "jobs", "ready, lane, client_id, priority DESC, position, id", "ready IS NOT NULL", False),
        ("jobs_claimed", "jobs", "claimed_by, claim", "claim IS NOT NULL", False),
        ("jobs_stopping", "jobs", "claimed_by", "status = 'stopping'", False),
        (
            "jobs_due",
            "jobs",
            "next_run_at",
            "ready IS NULL AND status = 'waiting' AND type = 'once' AND active",
            False,
        ),
        ("jobs_entries_due", "jobs", "next_run_at", "type = 'interval' AND active", False),
        ("jobs_entry_name", "jobs", "client_id, name", "type = 'interval'", True),
        ("jobs_occurrence", "jobs", "cron_entry_id, due_at", "cron_entry_id IS NOT NULL", True),
        (
            "jobs_unique_live",
            "jobs",
            "client_id, unique_key",
            "unique_key IS NOT NULL AND status IN ('waiting', 'running', 'stopping')",
            True,
        ),
        ("jobs_unique_ever", "jobs", "client_id, unique_key", "unique_key IS NOT NULL", False),
        ("jobs_ended", "jobs", "status, ended_at", "status IN ('stopped', 'finished', 'failed')", False),
        ("runs_job", "runs", "job_id", None, False),
        ("runs_entry", "runs", "cron_entry_id, id", "cron_entry_id IS NOT NULL", False),
        ("runs_finished_at", "runs", "finished_at", None, False),
        ("runs_unique", "runs", "client_id, unique_key", "unique_key IS NOT NULL AND status = 'finished'", False),
        ("missed_runs_entry", "missed_runs", "cron_entry_id", None, False),
        ("audit_job", "audit", "job_id", None, False),
    ):
        op.execute(
            f"CREATE {'UNIQUE ' if unique else ''}INDEX {name} ON {table} ({columns})"
            + (f" WHERE {where}" if where else "")
        )


# What a plain INSERT leaves out is put right by the database itself: a cron entry has no status, a job of the
# future or an inactive one is not ready, one for a certain node stands in that node's lane.
_NOT_READY = "({new}type = 'interval' OR {new}next_run_at IS NOT NULL OR NOT {new}active)"


def _sqlite_triggers() -> None:
    not_ready = _NOT_READY.format(new="NEW.")
    op.execute(
        f"""
        CREATE TRIGGER jobs_insert AFTER INSERT ON jobs
        WHEN (NEW.ready = 1 AND {not_ready}) OR (NEW.type = 'interval' AND NEW.status IS NOT NULL)
          OR (NEW.node_id IS NOT NULL AND NEW.lane = '')
        BEGIN
          UPDATE jobs SET
            ready = CASE WHEN {not_ready} THEN NULL ELSE NEW.ready END,
            status = CASE WHEN NEW.type = 'interval' THEN NULL ELSE NEW.status END,
            lane = CASE WHEN NEW.node_id IS NOT NULL AND NEW.lane = '' THEN '@' || NEW.node_id ELSE NEW.lane END
          WHERE id = NEW.id;
        END
        """
    )


def _postgresql_triggers() -> None:
    not_ready = _NOT_READY.format(new="NEW.")
    op.execute("CREATE SEQUENCE run_ids")
    op.execute(
        f"""
        CREATE FUNCTION taskserver_jobs_insert() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
          IF NEW.ready = 1 AND {not_ready} THEN NEW.ready := NULL; END IF;
          IF NEW.type = 'interval' THEN NEW.status := NULL; END IF;
          IF NEW.node_id IS NOT NULL AND NEW.lane = '' THEN NEW.lane := '@' || NEW.node_id; END IF;
          RETURN NEW;
        END $$
        """
    )
    op.execute(
        f"""
        CREATE TRIGGER jobs_insert BEFORE INSERT ON jobs FOR EACH ROW
        WHEN ((NEW.ready = 1 AND {not_ready}) OR (NEW.type = 'interval' AND NEW.status IS NOT NULL)
          OR (NEW.node_id IS NOT NULL AND NEW.lane = ''))
        EXECUTE FUNCTION taskserver_jobs_insert()
        """
    )
    op.execute(
        """
        CREATE FUNCTION taskserver_jobs_notify() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
          PERFORM pg_notify('taskserver_jobs', '');
          RETURN NULL;
        END $$
        """
    )
    op.execute(
        """
        CREATE TRIGGER jobs_notify AFTER INSERT OR UPDATE OF active, cron_spec, start_requested_at,
          stop_requested_at, kill_requested_at ON jobs
        FOR EACH STATEMENT EXECUTE FUNCTION taskserver_jobs_notify()
        """
    )
