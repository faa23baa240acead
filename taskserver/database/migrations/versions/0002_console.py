"""The console: who may see and do what, sessions, tokens, login links, idempotency keys, indexes for pages."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from taskserver.database.migrations.columns import checks, instant, instant_check, number
from taskserver.database.types import Json

revision = "0002"
down_revision = "0001"

TRUE = {"sqlite": "1", "postgresql": "true"}
ROLES = "('viewer', 'operator', 'administrator')"


def upgrade() -> None:
    dialect = op.get_bind().dialect.name
    _users(dialect)
    _sessions(dialect)
    _tokens(dialect)
    _idempotency_keys(dialect)
    _nodes(dialect)
    _runs(dialect)
    _indexes()


def _users(dialect: str) -> None:
    op.execute("ALTER TABLE users ADD COLUMN theme TEXT CHECK (theme IN ('light', 'dark'))")
    op.execute(f"ALTER TABLE users ADD COLUMN shortcuts BOOLEAN NOT NULL DEFAULT {TRUE[dialect]}")
    _add_instant("users", "last_login_at", dialect)
    op.create_table(
        "user_roles",
        sa.Column("id", number(), primary_key=True),
        sa.Column("user_id", number(), sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
        # NULL: for every client. A client that goes takes the roles in it along; none may become one for all.
        sa.Column("client_id", number(), sa.ForeignKey("clients.id", ondelete="CASCADE")),
        sa.Column("role", sa.Text, nullable=False),
        sa.CheckConstraint(f"role IN {ROLES}", name="user_roles_role"),
        sqlite_autoincrement=True,
    )


def _sessions(dialect: str) -> None:
    op.create_table(
        "sessions",
        sa.Column("id_hash", sa.Text, primary_key=True),
        sa.Column("user_id", number(), sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
        instant("created_at", dialect, now=True),
        instant("seen_at", dialect, now=True),
        _required(instant("expires_at", dialect)),
        sa.Column("source", sa.Text, nullable=False, server_default=""),
        sa.Column("flash", Json),
        *checks("sessions", dialect, instants=["created_at", "seen_at", "expires_at"], documents=["flash"]),
    )
    op.create_table(
        "login_links",
        sa.Column("hash", sa.Text, primary_key=True),
        sa.Column("purpose", sa.Text, nullable=False),
        instant("created_at", dialect, now=True),
        _required(instant("expires_at", dialect)),
        instant("used_at", dialect),
        *checks("login_links", dialect, instants=["created_at", "expires_at", "used_at"]),
    )


def _tokens(dialect: str) -> None:
    op.create_table(
        "tokens",
        sa.Column("id", number(), primary_key=True),
        sa.Column("name", sa.Text, nullable=False, unique=True),
        sa.Column("hash", sa.Text, nullable=False, unique=True),
        sa.Column("prefix", sa.Text, nullable=False),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("client_id", number(), sa.ForeignKey("clients.id", ondelete="CASCADE")),
        instant("created_at", dialect, now=True),
        sa.Column("created_by", sa.Text, nullable=False, server_default=""),
        instant("expires_at", dialect),
        instant("last_used_at", dialect),
        sa.CheckConstraint(f"role IN {ROLES}", name="tokens_role"),
        *checks("tokens", dialect, instants=["created_at", "expires_at", "last_used_at"]),
        sqlite_autoincrement=True,
    )


def _idempotency_keys(dialect: str) -> None:
    op.create_table(
        "idempotency_keys",
        sa.Column("key_hash", sa.Text, primary_key=True),
        sa.Column("request_hash", sa.Text, nullable=False),
        sa.Column("response", Json, nullable=False, server_default="null"),
        instant("created_at", dialect, now=True),
        *checks("idempotency_keys", dialect, instants=["created_at"], documents=["response"]),
    )


def _nodes(dialect: str) -> None:
    op.execute("ALTER TABLE nodes ADD COLUMN memory_bytes BIGINT")
    op.execute(f"ALTER TABLE nodes ADD COLUMN claiming BOOLEAN NOT NULL DEFAULT {TRUE[dialect]}")


def _runs(dialect: str) -> None:
    """How long a job has waited can't be told any more once its row has gone."""
    _add_instant("runs", "waiting_since", dialect)


def _add_instant(table: str, column: str, dialect: str) -> None:
    name, condition = instant_check(table, column, dialect)
    kind = {"sqlite": "VARCHAR(26)", "postgresql": "TIMESTAMP WITH TIME ZONE"}[dialect]
    op.execute(f"ALTER TABLE {table} ADD COLUMN {column} {kind} CONSTRAINT {name} CHECK ({condition})")


def _indexes() -> None:
    # With the client beside the time, the page of jobs counts and finds those of one client in the index alone.
    op.execute("DROP INDEX jobs_ended")
    for name, table, columns, where, unique in (
        ("user_roles_client", "user_roles", "user_id, client_id", "client_id IS NOT NULL", True),
        ("user_roles_all", "user_roles", "user_id", "client_id IS NULL", True),
        ("sessions_user", "sessions", "user_id", None, False),
        ("sessions_expires_at", "sessions", "expires_at", None, False),
        ("idempotency_keys_created_at", "idempotency_keys", "created_at", None, False),
        (
            "jobs_ended",
            "jobs",
            "status, ended_at, id, client_id",
            "status IN ('stopped', 'finished', 'failed')",
            False,
        ),
        # Hardly ever a row: it costs the dispatcher nothing.
        ("jobs_inactive", "jobs", "id", "status = 'waiting' AND type = 'once' AND NOT active", False),
        ("runs_failed", "runs", "id", "status IN ('failed', 'lost', 'failure')", False),
        # Who sees a client with few runs would look through everybody's; it costs the dispatcher 2 % of its SQL.
        ("runs_client", "runs", "client_id, finished_at, id", None, False),
        ("audit_client", "audit", "client_id, id", "client_id IS NOT NULL", False),
    ):
        op.execute(
            f"CREATE {'UNIQUE ' if unique else ''}INDEX {name} ON {table} ({columns})"
            + (f" WHERE {where}" if where else "")
        )


def _required(column: sa.Column[object]) -> sa.Column[object]:
    column.nullable = False
    return column
