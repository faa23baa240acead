"""The tables as statements see them: names and types of the columns.

Constraints, defaults, indexes and triggers are the migrations' alone; a test holds both against each other.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Float, Integer, MetaData, SmallInteger, Table, Text

from taskserver.database.types import Instant, Json

SCHEMA_VERSION = "0002"
"""The revision that this version of the package works with."""

VERSION_TABLE = "taskserver_version"
"""Where the revision stands: not alembic's default name, which the application may use in the same database."""

metadata = MetaData()

jobs = Table(
    "jobs",
    metadata,
    Column("id", BigInteger, primary_key=True),
    Column("client_id", BigInteger),
    Column("type", Text),
    Column("name", Text),
    Column("cron_entry_id", BigInteger),
    Column("due_at", Instant),
    Column("task", Text),
    Column("title", Text),
    Column("description", Text),
    Column("data", Json),
    Column("cron_spec", Text),
    Column("time_zone", Text),
    Column("misfire", Text),
    Column("overlap", Text),
    Column("active", Boolean),
    Column("node_id", Text),
    Column("priority", Integer),
    Column("position", BigInteger),
    Column("status", Text),
    Column("ready", SmallInteger),
    Column("next_run_at", Instant),
    Column("lane", Text),
    Column("last_run_at", Instant),
    Column("last_status", Text),
    Column("attempt", Integer),
    Column("max_attempts", Integer),
    Column("crashes", Integer),
    Column("unique_key", Text),
    Column("claim", BigInteger),
    Column("claimed_by", BigInteger),
    Column("started_at", Instant),
    Column("ended_at", Instant),
    Column("start_requested_at", Instant),
    Column("stop_requested_at", Instant),
    Column("kill_requested_at", Instant),
    Column("delete_requested_at", Instant),
    Column("progress", Float),
    Column("detail", Text),
    Column("checkpoint", Json),
    Column("result", Text),
    Column("error", Text),
    Column("created_at", Instant),
    Column("created_by", Text),
)

runs = Table(
    "runs",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("job_id", BigInteger),
    Column("cron_entry_id", BigInteger),
    Column("client_id", BigInteger),
    Column("task", Text),
    Column("title", Text),
    Column("data", Json),
    Column("login", Text),
    Column("node_id", Text),
    Column("attempt", Integer),
    Column("unique_key", Text),
    Column("due_at", Instant),
    Column("started_at", Instant),
    Column("finished_at", Instant),
    Column("status", Text),
    Column("reason", Text),
    Column("result", Text),
    Column("error", Text),
    Column("traceback", Text),
    Column("cpu_seconds", Float),
    Column("max_rss", BigInteger),
    Column("waiting_since", Instant),
)

run_output = Table(
    "run_output",
    metadata,
    Column("run_id", BigInteger, primary_key=True, autoincrement=False),
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("at", Instant),
    Column("stream", Text),
    Column("text", Text),
)

missed_runs = Table(
    "missed_runs",
    metadata,
    Column("id", BigInteger, primary_key=True),
    Column("cron_entry_id", BigInteger),
    Column("reason", Text),
    Column("first_due_at", Instant),
    Column("last_due_at", Instant),
    Column("count", Integer),
    Column("at", Instant),
)

clients = Table(
    "clients",
    metadata,
    Column("id", BigInteger, primary_key=True),
    Column("name", Text),
    Column("title", Text),
    Column("login", Text),
    Column("max_parallel", Integer),
    Column("created_at", Instant),
)

users = Table(
    "users",
    metadata,
    Column("id", BigInteger, primary_key=True),
    Column("name", Text),
    Column("password_hash", Text),
    Column("language", Text),
    Column("time_zone", Text),
    Column("active", Boolean),
    Column("created_at", Instant),
    Column("theme", Text),
    Column("shortcuts", Boolean),
    Column("last_login_at", Instant),
)

user_roles = Table(
    "user_roles",
    metadata,
    Column("id", BigInteger, primary_key=True),
    Column("user_id", BigInteger),
    Column("client_id", BigInteger),
    Column("role", Text),
)

sessions = Table(
    "sessions",
    metadata,
    Column("id_hash", Text, primary_key=True),
    Column("user_id", BigInteger),
    Column("created_at", Instant),
    Column("seen_at", Instant),
    Column("expires_at", Instant),
    Column("source", Text),
    Column("flash", Json),
)

login_links = Table(
    "login_links",
    metadata,
    Column("hash", Text, primary_key=True),
    Column("purpose", Text),
    Column("created_at", Instant),
    Column("expires_at", Instant),
    Column("used_at", Instant),
)

tokens = Table(
    "tokens",
    metadata,
    Column("id", BigInteger, primary_key=True),
    Column("name", Text),
    Column("hash", Text),
    Column("prefix", Text),
    Column("role", Text),
    Column("client_id", BigInteger),
    Column("created_at", Instant),
    Column("created_by", Text),
    Column("expires_at", Instant),
    Column("last_used_at", Instant),
)

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("key_hash", Text, primary_key=True),
    Column("request_hash", Text),
    Column("response", Json),
    Column("created_at", Instant),
)

nodes = Table(
    "nodes",
    metadata,
    Column("id", BigInteger, primary_key=True),
    Column("node_id", Text),
    Column("boot_id", Text),
    Column("pid", BigInteger),
    Column("version", Text),
    Column("slots", Integer),
    Column("tasks", Json),
    Column("control_socket", Text),
    Column("only_own_jobs", Boolean),
    Column("started_at", Instant),
    Column("heartbeat_at", Instant),
    Column("lease_seconds", Float),
    Column("ended_at", Instant),
    Column("memory_bytes", BigInteger),
    Column("claiming", Boolean),
)

tasks = Table(
    "tasks",
    metadata,
    Column("name", Text, primary_key=True),
    Column("title", Text),
    Column("description", Text),
    Column("schema", Json),
    Column("max_parallel", Integer),
    Column("timeout", Float),
    Column("max_attempts", Integer),
    Column("max_crashes", Integer),
    Column("on_crash", Text),
    Column("kind", Text),
    Column("published_at", Instant),
)

settings = Table(
    "settings",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", Text),
)

audit = Table(
    "audit",
    metadata,
    Column("id", BigInteger, primary_key=True),
    Column("at", Instant),
    Column("actor", Text),
    Column("source", Text),
    Column("action", Text),
    Column("client_id", BigInteger),
    Column("job_id", BigInteger),
    Column("detail", Json),
)
