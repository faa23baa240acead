"""Cron entries through the whole server: the nights when clocks change, and what was missed while it was down."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from waiting import eventually

from taskserver.store import Capacity, NodeIdentity, Store, Work

BERLIN = ZoneInfo("Europe/Berlin")


def last_sunday(month):
    """The night in which Berlin's clocks changed: the last Sunday of a month of last year."""
    day = datetime(datetime.now(UTC).year - 1, month, 31)
    return day - timedelta(days=(day.weekday() + 1) % 7)


SPRING, AUTUMN = last_sunday(3), last_sunday(10)


def due(night, *times):
    """The instants of these Berlin times; a trailing * is the second one of a repeated hour."""
    found = []
    for time in times:
        hour, minute = time.rstrip("*").split(":")
        local = night.replace(hour=int(hour), minute=int(minute), fold=time.endswith("*"), tzinfo=BERLIN)
        found.append(local.astimezone(UTC))
    return found


def of_night(spec, night):
    """The expression, on this day of this month only, whatever the weekday."""
    minute, hour = spec.split()
    return f"{minute} {hour} {night.day} {night.month} *"


NIGHTS = {
    "a fixed time in the skipped hour runs once, right after it": ("30 2", SPRING, ["3:00"]),
    "two fixed times in the skipped hour run as one": ("15,45 2", SPRING, ["3:00"]),
    "every half hour goes on in real time in spring": (
        "*/30 1-3",
        SPRING,
        ["1:00", "1:30", "3:00", "3:30"],
    ),
    "a fixed time in the repeated hour runs the first time": ("30 2", AUTUMN, ["2:30"]),
    "every half hour goes on in real time in autumn": (
        "*/30 1-3",
        AUTUMN,
        ["1:00", "1:30", "2:00", "2:30", "2:00*", "2:30*", "3:00", "3:30"],
    ),
}
"""By the rules of Debian's cron(8)."""


def test_both_nights_of_last_year_made_up_for_by_a_daemon_that_was_down(any_server):
    server = any_server
    server.configure(max_parallel=8)
    with Store.open(server.rows.url) as store:
        entries = {
            name: store.entries.add(
                name, "quick", cron_spec=of_night(spec, night), time_zone="Europe/Berlin", misfire="all"
            )
            for name, (spec, night, _) in NIGHTS.items()
        }
    for name, (_, night, _) in NIGHTS.items():
        before = (night - timedelta(hours=6)).strftime("%Y-%m-%d %H:%M:%S.000000")
        server.rows.execute("UPDATE jobs SET next_run_at = ? WHERE id = ?", before, entries[name])

    server.start()

    expected = {name: due(night, *times) for name, (_, night, times) in NIGHTS.items()}
    queued = sum(len(times) for times in expected.values())
    eventually(lambda: len(server.statuses()) >= queued and set(server.statuses()) == {"finished"})
    found = {name: dues(server, entries[name], night) for name, (_, night, _) in NIGHTS.items()}
    assert found == expected


def dues(server, entry, night):
    rows = server.rows.query("SELECT due_at FROM runs WHERE cron_entry_id = ? ORDER BY id", entry)
    found = [as_instant(row["due_at"]) for row in rows]
    return [instant for instant in found if instant.year == night.year]


def as_instant(value):
    return datetime.fromisoformat(value).replace(tzinfo=UTC) if isinstance(value, str) else value.astimezone(UTC)


@pytest.mark.parametrize("night", [SPRING, AUTUMN], ids=["spring", "autumn"])
def test_a_night_lived_through_minute_by_minute(database_url, night):
    now = [due(night, "0:00")[0]]
    store = Store.open(database_url, clock=lambda: now[0])
    dispatch = store.dispatch(ZoneInfo("UTC"))
    node = store.nodes.register(identity(), [])
    entries = {}
    for name, (spec, of, times) in NIGHTS.items():
        if of is night:
            cron_spec = of_night(spec, night)
            entry = store.entries.add(
                name, "quick", cron_spec=cron_spec, time_zone="Europe/Berlin", overlap="queue"
            )
            entries[entry] = (name, due(night, *times))

    capacity = Capacity(node=node, node_id="here", free=0, limits={"quick": None})
    seen = {entry: [] for entry in entries}
    while now[0] < due(night, "4:30")[0]:
        now[0] += timedelta(minutes=1)
        while dispatch.turn(Work(endings=[], reports=[]), capacity).again:
            pass
        for entry, found in seen.items():
            queued = [job["due_at"] for job in store.jobs.find(entry=entry)]
            found += [(now[0], at) for at in queued if at not in {old for _, old in found}]

    for entry, (name, times) in entries.items():
        assert [at for _, at in seen[entry]] == times, name
        assert all(when == at for when, at in seen[entry]), "each one in its very minute"
        assert store.entries.missed(entry) == []
    dispatch.close()
    store.close()


def identity():
    return NodeIdentity(
        node_id="here",
        boot_id="boot",
        pid=1,
        version="0",
        slots=4,
        lease=timedelta(seconds=60),
        control_socket=None,
        only_own_jobs=False,
    )


def test_what_was_missed_while_the_daemon_was_down(any_server):
    server = any_server
    yesterday = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=1)
    spec = f"0 18-23 {yesterday.day} {yesterday.month} *"
    server.start()
    entries = {
        misfire: server.json(
            *("schedule", "add", misfire, "quick", f"word={misfire}", "--cron", spec),
            *("--time-zone", "UTC", "--misfire", misfire),
        )["id"]
        for misfire in ("once", "all", "skip")
    }
    server.stop()
    for entry in entries.values():
        since = yesterday.strftime("%Y-%m-%d 18:00:00.000000")
        server.rows.execute("UPDATE jobs SET next_run_at = ? WHERE id = ?", since, entry)

    server.start()
    eventually(lambda: len(server.statuses()) == 7 and set(server.statuses()) == {"finished"})

    hours = [yesterday.replace(hour=hour) for hour in range(18, 24)]
    assert {name: runs_of(server, entry) for name, entry in entries.items()} == {
        "all": hours,
        "once": hours[-1:],
        "skip": [],
    }
    shown = {misfire: server.json("schedule", "show", misfire) for misfire in entries}
    assert {misfire: missed(entry) for misfire, entry in shown.items()} == {"once": 5, "all": 0, "skip": 6}
    assert all(datetime.fromisoformat(entry["next_run_at"]) > datetime.now(UTC) for entry in shown.values())


def runs_of(server, entry):
    rows = server.rows.query("SELECT due_at FROM runs WHERE cron_entry_id = ? ORDER BY id", entry)
    return [as_instant(row["due_at"]) for row in rows]


def missed(shown):
    return sum(item["count"] for item in shown.get("missed", []))


def test_a_run_by_hand_does_not_move_the_schedule(server):
    server.start()
    before = server.json("schedule", "add", "yearly", "quick", "--cron", "0 0 1 1 *")

    server.control("schedule", "run", "yearly")
    eventually(lambda: server.statuses() == ["finished"])

    assert server.json("schedule", "show", "yearly")["next_run_at"] == before["next_run_at"]
    assert json.loads(server.control("schedule", "list", "--json").stdout)[0]["name"] == "yearly"
