"""Makes sample data: a folder for each client with a database of standing orders. All of it is invented.

Call it as `sample_data.py [--orders N] [CLIENT ...]`; a second call doubles nothing.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from invoicing.ledger import Ledger, Order

DATA = Path(__file__).resolve().parent / "data"
CLIENTS = ("acme", "beta", "cern")
SERVICES = (("Sample hosting", 4900), ("Sample maintenance", 12950), ("Sample support", 25000))


def main() -> None:
    parser = argparse.ArgumentParser(description="Makes sample data for the invoices example.")
    parser.add_argument("clients", metavar="CLIENT", nargs="*", default=CLIENTS, help="default: acme beta cern")
    parser.add_argument("--orders", metavar="N", type=int, default=12, help="orders of each client; default: 12")
    given = parser.parse_args()
    for client in given.clients:
        folder = DATA / client
        folder.mkdir(parents=True, exist_ok=True)
        with Ledger(folder / "orders.sqlite", client) as ledger:
            ledger.add_orders([sample_order(number) for number in range(1, given.orders + 1)])
        print(f"{folder}/orders.sqlite: {given.orders} sample orders")


def sample_order(number: int) -> Order:
    """Every sixth order has ended with 2024-06, the others go on."""
    description, cents = SERVICES[number % len(SERVICES)]
    return Order(
        id=number,
        customer=f"Sample customer {number:03d}",
        description=description,
        monthly_cents=cents,
        first_month="2024-01",
        last_month="2024-06" if number % 6 == 0 else None,
    )


if __name__ == "__main__":
    main()
