"""The bookings table in the job database: one row for each client and month.

Written through `ctx.transaction()`, so that a row and the outcome of the job that wrote it commit together.
"""

from __future__ import annotations

from sqlalchemy import Column, Connection, Integer, MetaData, Table, Text, UniqueConstraint, insert, select

from invoicing.documents import euros
from taskserver import Fail

_bookings = Table(
    "bookings",
    MetaData(),
    Column("client", Text, nullable=False),
    Column("month", Text, nullable=False),
    Column("total_cents", Integer, nullable=False),
    UniqueConstraint("client", "month"),
)


def book(connection: Connection, *, client: str, month: str, total_cents: int) -> bool:
    """Books the month's total; False if it was booked before. Raises Fail if another total was booked."""
    _bookings.create(connection, checkfirst=True)
    earlier = connection.scalar(
        select(_bookings.c.total_cents).where(_bookings.c.client == client, _bookings.c.month == month)
    )
    if earlier is None:
        connection.execute(insert(_bookings).values(client=client, month=month, total_cents=total_cents))
        return True
    if earlier != total_cents:
        raise Fail(f"{month} was booked with {euros(earlier)} before; now it would be {euros(total_cents)}")
    return False
