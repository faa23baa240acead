"""One client of the invoices example as a test sees it: its database, its folder of invoices, its bookings."""

from __future__ import annotations

import subprocess
import sys

from example_installation import Installation, query

Row = tuple[str, str, int]


def make_sample_data(installation: Installation, *clients: str, orders: int = 12) -> None:
    script = installation.example / "sample_data.py"
    subprocess.run([sys.executable, script, *clients, "--orders", str(orders)], check=True, capture_output=True)


class Books:
    def __init__(self, installation: Installation, client: str) -> None:
        self.client = client
        self.database = installation.example / "data" / client / "orders.sqlite"
        self.folder = self.database.parent / "invoices"

    def orders(self, month: str) -> list[int]:
        """Those that want an invoice for the month."""
        found = query(
            self.database,
            "SELECT id FROM orders WHERE first_month <= ? AND coalesce(last_month, '9999') >= ? ORDER BY id",
            month,
            month,
        )
        return [order for (order,) in found]

    def rows(self) -> list[Row]:
        return query(self.database, "SELECT client, period, order_id FROM invoices ORDER BY period, order_id")

    def pages(self) -> dict[str, str]:
        """Everything in the folder of invoices."""
        return {file.name: file.read_text() for file in self.folder.iterdir()} if self.folder.exists() else {}

    def assert_possible(self) -> None:
        """What holds at every moment, even while the daemon is dead: no row twice, no final file without one."""
        pages = {name: page for name, page in self.pages().items() if name.endswith(".html")}
        rows = self.rows()
        assert len(rows) == len(set(rows))
        assert pages.keys() <= {name_of(row) for row in rows}
        assert all("</html>" in page for page in pages.values())

    def assert_complete(self, *months: str) -> None:
        """Every order of the months has one row and one file, and nothing else is there."""
        wanted = [(self.client, month, order) for month in sorted(months) for order in self.orders(month)]
        pages = self.pages()
        assert wanted
        assert self.rows() == wanted
        assert pages.keys() == {name_of(row) for row in wanted}
        assert all("</html>" in page for page in pages.values())


def name_of(row: Row) -> str:
    client, month, order = row
    return f"{client}-{month}-{order:05d}.html"


def bookings(installation: Installation, client: str) -> list[tuple[str, int]]:
    if not installation.query("SELECT 1 FROM sqlite_master WHERE name = 'bookings'"):
        return []
    return installation.query("SELECT month, total_cents FROM bookings WHERE client = ? ORDER BY month", client)
