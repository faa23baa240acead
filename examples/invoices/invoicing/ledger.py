"""One client's own database: its standing orders, and a row for every invoice made of them.

All SQL of the clients' databases is here. Nothing here knows of files or of the task server; each method is one
transaction.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

_SCHEMA = """
CREATE TABLE IF NOT EXISTS orders (
    id INTEGER PRIMARY KEY,
    customer TEXT NOT NULL,
    description TEXT NOT NULL,
    monthly_cents INTEGER NOT NULL,
    first_month TEXT NOT NULL,
    last_month TEXT
);
CREATE TABLE IF NOT EXISTS invoices (
    id INTEGER PRIMARY KEY,
    client TEXT NOT NULL,
    order_id INTEGER NOT NULL REFERENCES orders,
    period TEXT NOT NULL,
    customer TEXT NOT NULL,
    description TEXT NOT NULL,
    total_cents INTEGER NOT NULL,
    UNIQUE (client, order_id, period)
);
"""

_OPEN_ORDERS = """
FROM orders
WHERE first_month <= :period AND (last_month IS NULL OR :period <= last_month)
    AND NOT EXISTS (
        SELECT 1 FROM invoices
        WHERE invoices.client = :client AND order_id = orders.id AND invoices.period = :period
    )
"""


@dataclass(frozen=True)
class Order:
    """A standing order: so much for each month from `first_month` to `last_month`, or until further notice."""

    id: int
    customer: str
    description: str
    monthly_cents: int
    first_month: str
    last_month: str | None = None


@dataclass(frozen=True)
class Invoice:
    """What one order owes for one month. It says all that its file shows, so the file can be made again."""

    client: str
    order_id: int
    period: str
    customer: str
    description: str
    total_cents: int

    @classmethod
    def of(cls, order: Order, *, client: str, period: str) -> Invoice:
        return cls(client, order.id, period, order.customer, order.description, order.monthly_cents)

    @property
    def number(self) -> str:
        """Made of client, order and period: the same invoice always has the same number."""
        return f"{self.client}-{self.period}-{self.order_id:05d}"


class Ledger:
    """The database of one client, open. A context manager."""

    def __init__(self, file: Path, client: str) -> None:
        self.client = client
        # isolation_level=None: transactions begin and end where this class says, not where the driver guesses.
        self._connection = sqlite3.connect(file, timeout=30, isolation_level=None)
        self._connection.execute("PRAGMA synchronous = FULL")
        self._connection.executescript(_SCHEMA)

    def __enter__(self) -> Ledger:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def add_orders(self, orders: list[Order]) -> None:
        """Adds those that are not there yet."""
        with self._connection:
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.executemany(
                "INSERT INTO orders (id, customer, description, monthly_cents, first_month, last_month)"
                " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING",
                [(o.id, o.customer, o.description, o.monthly_cents, o.first_month, o.last_month) for o in orders],
            )

    def open_orders(self, period: str) -> list[Order]:
        """The orders of the month that have no invoice for it yet."""
        rows = self._connection.execute(
            f"SELECT id, customer, description, monthly_cents, first_month, last_month {_OPEN_ORDERS} ORDER BY id",
            {"client": self.client, "period": period},
        )
        return [Order(*row) for row in rows]

    def add(self, invoice: Invoice) -> None:
        """Committed when it returns. Raises sqlite3.IntegrityError when there is one for this order and month."""
        with self._connection:
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.execute(
                "INSERT INTO invoices (client, order_id, period, customer, description, total_cents)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                (
                    invoice.client,
                    invoice.order_id,
                    invoice.period,
                    invoice.customer,
                    invoice.description,
                    invoice.total_cents,
                ),
            )

    def invoices(self) -> list[Invoice]:
        """Every invoice of the client, the oldest first."""
        rows = self._connection.execute(
            "SELECT client, order_id, period, customer, description, total_cents"
            " FROM invoices WHERE client = ? ORDER BY id",
            (self.client,),
        )
        return [Invoice(*row) for row in rows]

    def total_cents(self, period: str) -> int:
        """The sum of the month's invoices."""
        found = self._connection.execute(
            "SELECT coalesce(sum(total_cents), 0) FROM invoices WHERE client = ? AND period = ?",
            (self.client, period),
        ).fetchone()
        return int(found[0])
