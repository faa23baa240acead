"""What the audit tells, in words for people. Every action that is written has its word here."""

from __future__ import annotations

from typing import Any

from taskserver.texts import mark, translate
from taskserver.web.templating import role_word
from taskserver.words import status_word

ACTIONS = {
    "job.enqueue": mark("queued a job"),
    "job.enqueue_many": mark("queued several jobs"),
    "job.start": mark("started a job"),
    "job.stop": mark("stopped a job"),
    "job.kill": mark("killed a job"),
    "job.delete": mark("deleted a job"),
    "job.move": mark("moved a job"),
    "job.delete_finished": mark("deleted finished jobs"),
    "job.delete_all": mark("deleted all jobs"),
    "entry.add": mark("added a cron entry"),
    "entry.edit": mark("changed a cron entry"),
    "entry.enable": mark("resumed a cron entry"),
    "entry.disable": mark("paused a cron entry"),
    "entry.run": mark("ran a cron entry now"),
    "entry.delete": mark("deleted a cron entry"),
    "node.claim": mark("let a node claim jobs again"),
    "node.stop_claiming": mark("let a node claim no more jobs"),
    "autostart.on": mark("let jobs start automatically"),
    "autostart.off": mark("let no job start automatically"),
    "server.wake": mark("woke the task server"),
    "client.add": mark("added a client"),
    "client.edit": mark("changed a client"),
    "client.set_login": mark("changed a client's login"),
    "client.delete": mark("deleted a client"),
    "user.add": mark("added a user"),
    "user.edit": mark("changed a user"),
    "user.set_role": mark("changed a user's role"),
    "user.set_password": mark("set a user's password"),
    "user.make_password_link": mark("made a link for a new password"),
    "user.delete": mark("deleted a user"),
    "token.add": mark("made a token"),
    "token.delete": mark("deleted a token"),
    "account.edit": mark("changed their settings"),
    "account.set_password": mark("changed their password"),
    "account.end_other_sessions": mark("signed out everywhere else"),
    "session.begin": mark("signed in"),
    "session.end": mark("signed out"),
}

_DETAILS = {
    "name": mark("name"),
    "user": mark("user"),
    "role": mark("role"),
    "client": mark("client"),
    "task": mark("task"),
    "login": mark("login"),
    "was": mark("before"),
    "where": mark("where to"),
    "count": mark("count"),
    "title": mark("title"),
    "active": mark("active"),
    "language": mark("language"),
    "time_zone": mark("time zone"),
    "theme": mark("appearance"),
    "shortcuts": mark("keyboard shortcuts"),
    "new_name": mark("new name"),
    "max_parallel": mark("at the same time"),
    "cron_spec": mark("schedule"),
    "changed": mark("changed"),
    "like": mark("like job"),
    "queued": mark("queued job"),
    "jobs": mark("jobs"),
    "created": mark("new"),
    "by": mark("by"),
}

_WORDS = {"role": role_word, "was": status_word}


def action_word(action: str) -> str:
    return translate(ACTIONS.get(action, action))


def detail_words(detail: dict[str, Any]) -> list[tuple[str, str]]:
    """The parts of a row's detail, to be shown one after the other."""
    return [(translate(_DETAILS.get(name, name)), _shown(name, value)) for name, value in detail.items()]


def _shown(name: str, value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return translate("yes") if value else translate("no")
    if isinstance(value, list):
        return ", ".join(map(str, value[:20])) + (" …" if len(value) > 20 else "")
    if name in _WORDS and isinstance(value, str):
        return _WORDS[name](value)
    return str(value)
