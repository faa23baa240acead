"""The two tasks: `invoices.create` makes a client's invoices of a month, `invoices.book` books their total.

Run again after a stop, a failure or a crash at any moment, `invoices.create` makes up leeway: it never makes an
invoice twice, leaves no row without its file and no file without its row. For each order

1. the file is written under a temporary name, and is on the disk,
2. the row is inserted and committed in the client's own database, where it is unique by client, order and month,
3. the file gets its final name.

What a crash may leave is a temporary file (before 2) or a row without its file (before 3); every run begins by
removing the one and making the other again.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import Field

from invoicing import bookings
from invoicing.documents import Documents, euros
from invoicing.ledger import Invoice, Ledger
from taskserver import Context, Fail, Retry, task

DATA = Path(__file__).resolve().parents[1] / "data"
"""A folder for each client: its database `orders.sqlite`, its invoices in `invoices/`."""

ZONE = ZoneInfo("Europe/Berlin")
"""Where a month begins and ends."""

Month = Annotated[str, Field(pattern=r"^\d{4}-(0[1-9]|1[0-2])$", description="As 2026-11.")]


@task("invoices.create", title="Create the month's invoices", timeout=3600, max_attempts=3)
def create(ctx: Context, month: Month | None = None) -> str:
    """Creates one invoice for each order of the month; without a month, of the month in which it is due."""
    period = _period(ctx, month)
    folder = _folder(ctx.client)
    with _alone(ctx, folder), Ledger(folder / "orders.sqlite", ctx.client) as ledger:
        documents = Documents(folder / "invoices")
        _heal(ctx, ledger, documents)
        orders = ledger.open_orders(period)
        for done, order in enumerate(orders):
            ctx.progress(100 * done / len(orders), f"{period}, order {order.id}: {order.customer}")
            _make(Invoice.of(order, client=ctx.client, period=period), ledger, documents)
        documents.sync()
    return f"{len(orders)} invoices of {period}"


@task("invoices.book", title="Book the month's invoices", max_attempts=20, retry_delay=60)
def book(ctx: Context, month: Month | None = None) -> str:
    """Books the total of the month's invoices, once; waits while orders have no invoice yet."""
    period = _period(ctx, month)
    with Ledger(_folder(ctx.client) / "orders.sqlite", ctx.client) as ledger:
        missing, total_cents = len(ledger.open_orders(period)), ledger.total_cents(period)
    if missing:
        raise Retry(f"{missing} orders of {period} have no invoice yet")
    with ctx.transaction() as connection:
        first = bookings.book(connection, client=ctx.client, month=period, total_cents=total_cents)
    return f"{period}: {euros(total_cents)}" + ("" if first else ", booked before")


def _period(ctx: Context, month: str | None) -> str:
    """The month to work on. One that no argument names is kept: a job that goes on in the next month must not
    change it. How far the job is needs no checkpoint, since the rows tell."""
    if month is not None:
        return month
    if ctx.checkpoint_data is None:
        moment = ctx.due_at or datetime.now(UTC)
        ctx.checkpoint({"month": f"{moment.astimezone(ZONE):%Y-%m}"})
    return str(ctx.checkpoint_data["month"])


def _folder(client: str) -> Path:
    """The client's folder: one that is really there, so that no name of a client leads elsewhere."""
    for folder in DATA.iterdir() if DATA.is_dir() else ():
        if folder.name == client and (folder / "orders.sqlite").is_file():
            return folder
    raise Fail(f"client {client} has no orders: there is no {DATA}/{client}/orders.sqlite")


@contextmanager
def _alone(ctx: Context, folder: Path) -> Iterator[None]:
    """Waits until no other run works in the folder. The lock goes with the process, however that ends."""
    descriptor, pause = os.open(folder, os.O_RDONLY | os.O_DIRECTORY), Event()
    try:
        while not _locked(descriptor):
            ctx.progress(None, "waiting for another run")
            pause.wait(0.2)
        yield
    finally:
        os.close(descriptor)


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _heal(ctx: Context, ledger: Ledger, documents: Documents) -> None:
    """Clears up after a run that was interrupted, in whatever month."""
    removed = documents.remove_temporary()
    if removed:
        ctx.logger.info("removed %d temporary files", removed)
    for invoice in ledger.invoices():
        if invoice not in documents:
            documents.publish(documents.prepare(invoice), invoice)
            ctx.logger.info("made the file of %s again", invoice.number)


def _make(invoice: Invoice, ledger: Ledger, documents: Documents) -> None:
    """No stop is looked for in here; a crash may come between any two steps."""
    temporary = documents.prepare(invoice)
    ledger.add(invoice)
    documents.publish(temporary, invoice)
