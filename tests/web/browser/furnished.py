"""A console with something on every page, and the list of all its pages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from taskserver.jobs import Claim, Outcome, OutputLine, Report
from taskserver.store import Role, Store, Work
from taskserver.web.security.tokens import secret_hash

TRACE = """Traceback (most recent call last):
  File "/srv/erp/tasks/invoices.py", line 41, in print_invoices
    printer.send(document)
  File "/srv/erp/printing.py", line 17, in send
    raise PrinterError(f"the printer {self.name} does not answer")
erp.printing.PrinterError: the printer hall-2 does not answer
"""


@dataclass
class House:
    """`pages` are the paths of all pages by a name; those of `strangers` are seen before signing in."""

    pages: dict[str, str] = field(default_factory=dict)
    strangers: dict[str, str] = field(default_factory=dict)
    states: dict[str, tuple[str, Callable[[Any], None]]] = field(default_factory=dict)
    """What has no address: the page from which it is reached, and how."""


def furnish(store: Store, node: Any, clock: Any, daemon: Any, add_user: Callable[..., str]) -> House:
    """Fills the store as a working day does; anna is an administrator."""
    daemon.more = {
        **{"since": "2026-11-20T05:12:44+00:00", "node_id": "here", "version": "1.4.0", "busy": 2, "free": 2},
        **{"waiting": 4, "autostart": True, "database": "postgresql://erp@db/tasks", "memory_rss": 48_300_032},
    }
    add_user(Role.ADMINISTRATOR)
    add_user(Role.OPERATOR, name="bert")
    store.users.add("carla")
    mill = store.clients.add("muehle", login="taskuser", title="Mühle & Söhne GmbH", max_parallel=2)["id"]
    store.clients.add("hafen", title="Hafenlogistik Nord")
    store.clients.set_login("default", "admin")
    store.users.set_role("bert", Role.VIEWER, "muehle")
    token = store.tokens.add("webshop", "h1", prefix="tsk_a1B2c3", role=Role.OPERATOR, client="muehle")
    store.tokens.add(
        "grafana", "h2", prefix="tsk_Zz09Yx", role=Role.VIEWER, expires_at=clock.now - timedelta(days=1)
    )
    entry = _entries(store)
    _jobs(store, node, clock)
    waiting = store.jobs.find(status="waiting")[0]["id"]
    failed = store.jobs.find(status="failed")[0]["id"]
    running = store.jobs.find(status="running")[0]["id"]
    run = store.runs.find(status="failed")[0]["id"]
    for action, job, detail in (
        ("job.start", failed, {"was": "failed"}),
        ("autostart.off", None, {}),
        ("client.set_login", None, {"name": "muehle", "login": "taskuser", "was": None}),
        ("entry.run", entry, {"name": "Rechnungen drucken", "queued": waiting}),
    ):
        client = mill if job else None
        store.audit.write(
            action, actor="bert", source="192.168.17.23", client_id=client, job_id=job, detail=detail
        )
    anna, bert = store.users.get("anna")["id"], store.users.get("bert")["id"]
    link = secret_hash("chosen")
    store.login_links.make(link, f"new password of user {bert}", lifetime=timedelta(hours=1))
    return House(
        pages={
            "tasks": "/tasks",
            "tasks-filtered": "/tasks?client=muehle&status=failed&text=druck",
            "tasks-nothing": "/tasks?text=nothing-at-all",
            "delete-all": "/tasks/delete-all",
            "choose-task": "/tasks/new",
            "queue": "/tasks/new?task=ocr",
            "again": f"/jobs/{failed}/again",
            "job-waiting": f"/jobs/{waiting}",
            "job-running": f"/jobs/{running}",
            "job-failed": f"/jobs/{failed}",
            "cron-entries": "/cron-entries",
            "cron-entry": f"/cron-entries/{entry}",
            "cron-entry-new": "/cron-entries/new",
            "cron-entry-form": "/cron-entries/new?task=ocr",
            "cron-entry-edit": f"/cron-entries/{entry}/edit",
            "cron-entry-task": f"/cron-entries/{entry}/task",
            "cron-entry-delete": f"/cron-entries/{entry}/delete",
            "cron-entry-preview": "/cron-entries/preview?cron_spec=0+0+13+*+5&time_zone=Europe/Berlin",
            "history": "/history",
            "run": f"/history/{run}",
            "failures": "/failures",
            "failure": f"/failures/{run}",
            "nodes": "/nodes",
            "clients": "/clients",
            "client-new": "/clients/new",
            "client": f"/clients/{mill}",
            "client-delete": "/clients/3/delete",
            "client-stays": f"/clients/{mill}/delete",
            "users": "/users",
            "user-new": "/users/new",
            "user": f"/users/{bert}",
            "user-delete": f"/users/{anna}/delete",
            "token-new": "/users/tokens/new",
            "token-delete": f"/users/tokens/{token['id']}/delete",
            "audit": "/audit",
            "settings": "/settings",
            "server": "/server",
            "account": "/account",
            "not-found": "/nowhere",
        },
        states={
            "menu": ("/tasks", lambda page: page.click(f"#job-{waiting}-menu summary")),
            "shortcuts": ("/tasks", lambda page: page.keyboard.press("?")),
            "queue-refused": ("/tasks/new?task=ocr", _send()),
            "client-refused": ("/clients/new", _send(name="muehle", max_parallel="many")),
            "cron-entry-refused": ("/cron-entries/new?task=ocr", _send(name="x", cron_spec="61 * * * *")),
            "user-refused": ("/users/new", _send(name="bert")),
            "user-link": (f"/users/{bert}", lambda page: page.click(f"form[action='/users/{bert}/link'] button")),
            "token": ("/users/tokens/new", lambda page: _send(name=f"erp {page.evaluate('Date.now()')}")(page)),
            "history-refused": ("/history?since=soon", lambda page: None),
        },
        strangers={"login": "/login", "signed-out": "/login?left=1", "new-password": "/new-password?link=chosen"},
    )


def _send(**typed: str) -> Callable[[Any], None]:
    """Fills in the form of the page and sends it, as the browser would not by itself."""

    def send(page: Any) -> None:
        for name, text in typed.items():
            page.fill(f"main [name={name}]", text)
        page.evaluate("for (const form of document.forms) form.noValidate = true")
        page.click("main form:not([role=search]) button.primary")
        page.wait_for_load_state()

    return send


def _entries(store: Store) -> int:
    def add(name: str, cron_spec: str, client: str = "muehle", **more: Any) -> int:
        return store.entries.add(
            name, "ocr", {"path": "/srv"}, cron_spec=cron_spec, time_zone="Europe/Berlin", client=client, **more
        )

    first = add("Rechnungen drucken", "30 6 * * 1-5", title="Rechnungen des Vortags drucken")
    add("Lagerbestand abgleichen", "*/15 7-18 * * *", description="Gleicht die Bestände mit dem Lager ab.")
    add("Monatsabschluss", "0 3 1 * *", client="default")
    add("Sicherung", "30 6 * * *", client="default")
    store.entries.disable(add("Alter Export", "@daily"))
    return first


def _jobs(store: Store, node: Any, clock: Any) -> None:
    def queue(title: str, client: str = "muehle", **more: Any) -> int:
        data = {"path": "/srv/scans/2026-11", "password": "hidden"}
        return store.jobs.enqueue("ocr", data, client=client, title=title, created_by="webshop", **more).id

    ended = [
        ("Rechnung 4711 drucken", Outcome.finished("3 pages printed")),
        ("Rechnung 4712 drucken", Outcome.failed("the printer hall-2 does not answer", traceback=TRACE)),
        ("Rechnung 4713 drucken", Outcome.failed("the printer hall-2 does not answer", traceback=TRACE)),
        ("Lieferscheine exportieren", Outcome.finished("128 delivery notes")),
    ]
    for title, outcome in ended:
        claim = node.claim(queue(title))
        clock.advance(minutes=2, seconds=7)
        node.report(claim, "begins with the first page")
        node.end(claim, outcome)
    store.jobs.stop(queue("Inventurliste"))
    queue("Zollpapiere für die Sendung nach Norwegen mit einem recht langen Titel, der umbricht", client="default")
    queue("Texterkennung, Band 3")
    queue("Wartet ohne Benutzer", client="hafen")
    queue("Erinnerungen verschicken", run_at=clock.now + timedelta(hours=5))
    for title, progress in (("Texterkennung, Band 1", 42), ("Texterkennung, Band 2", None)):
        claim = node.claim(queue(title))
        clock.advance(seconds=50)
        _progress(node, claim, progress)


def _progress(node: Any, claim: Claim, progress: int | None) -> None:
    lines = [
        OutputLine(seq=number, at=claim.started_at, stream="stderr" if number == 3 else "stdout", text=text)
        for number, text in enumerate(("page 1 of 120", "page 2 of 120", "warning: page 3 is skewed", "page 4"), 1)
    ]
    report = Report(
        run_id=claim.run_id, job_id=claim.job_id, progress=progress, detail="page 51 of 120", lines=lines
    )
    node._turn(Work(reports=[report]))
