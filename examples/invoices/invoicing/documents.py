"""One client's invoice files: HTML, written so that a file of its final name is always whole.

A file is first written under a temporary name and made durable; `publish` gives it its final name, which the
caller does once the invoice's row is committed. Nothing here knows of databases.
"""

from __future__ import annotations

import os
from html import escape
from pathlib import Path

from invoicing.ledger import Invoice

_TEMPORARY = ".part"
_PAGE = """\
<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>Invoice {number}</title></head>
<body>
<h1>Invoice {number}</h1>
<p>{customer}</p>
<table>
<tr><th>Service</th><th>Month</th><th>Amount</th></tr>
<tr><td>{description}</td><td>{period}</td><td>{amount}</td></tr>
</table>
</body>
</html>
"""


class Documents:
    """The folder that holds a client's invoices. One run at a time works in it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(exist_ok=True)

    def remove_temporary(self) -> int:
        """Removes what an interrupted run left behind; answers how many files."""
        left_over = list(self._folder.glob(f"*{_TEMPORARY}"))
        for file in left_over:
            file.unlink()
        return len(left_over)

    def __contains__(self, invoice: Invoice) -> bool:
        return self._final(invoice).exists()

    def prepare(self, invoice: Invoice) -> Path:
        """Writes the invoice's file under a temporary name; it is on the disk when this returns."""
        temporary = self._final(invoice).with_suffix(_TEMPORARY)
        with temporary.open("w", encoding="utf-8") as file:
            file.write(page(invoice))
            file.flush()
            os.fsync(file.fileno())
        return temporary

    def publish(self, temporary: Path, invoice: Invoice) -> None:
        """Gives the file its final name. Call it only when the invoice's row is committed."""
        temporary.rename(self._final(invoice))

    def sync(self) -> None:
        """Makes the names durable. One that is lost before, as in a power cut, is made again from its row."""
        descriptor = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def _final(self, invoice: Invoice) -> Path:
        return self._folder / f"{invoice.number}.html"


def page(invoice: Invoice) -> str:
    """The invoice as HTML: of the row alone, so that a file made again is the same."""
    return _PAGE.format(
        number=escape(invoice.number),
        customer=escape(invoice.customer),
        description=escape(invoice.description),
        period=invoice.period,
        amount=euros(invoice.total_cents),
    )


def euros(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02d} EUR"
