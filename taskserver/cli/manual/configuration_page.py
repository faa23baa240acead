"""taskserver.toml(5), made from the descriptions of the keys, as the commented file in `etc/` is."""

from __future__ import annotations

from inspect import cleandoc

from pydantic import BaseModel

from taskserver.cli.manual.roff import Roff
from taskserver.config.models import CommandSettings, MemoryLimits, NotifyOnFailure, ServerSettings
from taskserver.config.reference import entries
from taskserver.texts import mark, translate

NAME = "taskserver.toml"
PURPOSE = mark("configuration of the task server")
_DESCRIPTION = mark(
    "`task_server` reads the file that -c names, else $TASKSERVER_CONFIG, else etc/taskserver.toml of the "
    "installation, else /etc/taskserver.toml. Every key may be left out: an empty section `[task_server]` is "
    "enough. Paths that are relative begin at the installation directory. `task_server check` finds every "
    "mistake, `task_server config show --origin` tells which settings are in force and where each comes from, and "
    "`task_server config schema` prints what is written here as a JSON schema.\n\n"
    "A file whose name ends in .ini or .conf is read as INI with the same sections and keys; a section within a "
    "section is written with a slash there, as [task_server/notify_on_failure]. The kivitendo.conf of an "
    "installation can be used as it is. `task_server config convert` makes TOML of such a file."
)
_SERVER = mark("The daemon itself.")
_TASK = mark(
    "A command task: a program that jobs of this name run, without a shell. One section each, as many as there "
    'are programs; a name with a point in it stands in quotes: [tasks."invoices.print"].'
)
_DEFAULT = mark("Default: {value}.")
_REQUIRED = mark("It must be given, as {value}.")
_EXAMPLE = (
    "[task_server]",
    'run_as = "taskserver"',
    'modules = ["erp_tasks"]',
    'python_path = ["/srv/erp"]',
    'drain_timeout = "2m"',
    "",
    "[tasks.ocr]",
    'title = "OCR {path}"',
    'command = ["/usr/local/bin/ocr", "--", "{path}"]',
    'timeout = "1h"',
)


def write(page: Roff) -> None:
    """Everything but the head of the page, in the language in use."""
    page.heading(translate("NAME"))
    page.name(NAME, translate(PURPOSE))
    page.heading(translate("SYNOPSIS"))
    page.synopsis("etc/taskserver.toml", "")
    page.synopsis("/etc/taskserver.toml", "")
    page.end_of_synopsis()
    page.heading(translate("DESCRIPTION"))
    page.text(translate(_DESCRIPTION))
    page.heading(translate("KEYS"))
    _write_table(page, "[task_server]", translate(_SERVER), ServerSettings)
    _write_table(page, "[task_server.notify_on_failure]", translate(_doc(NotifyOnFailure)), NotifyOnFailure)
    _write_table(page, "[system]", translate(_doc(MemoryLimits)), MemoryLimits)
    _write_table(page, "[tasks.NAME]", translate(_TASK), CommandSettings)
    page.heading(translate("EXAMPLES"))
    page.example(_EXAMPLE)
    page.heading(translate("SEE ALSO"))
    page.text("task_server(8)")


def _doc(model: type[BaseModel]) -> str:
    return cleandoc(model.__doc__ or "")


def _write_table(page: Roff, header: str, text: str, model: type[BaseModel]) -> None:
    page.subheading(header)
    page.text(text)
    for entry in entries(model):
        description = translate(entry.description)
        if not entry.has_default and model.model_fields[entry.name].is_required():
            description += " " + translate(_REQUIRED, value=f"`{entry.value}`")
        elif entry.has_default and entry.value not in ('""', "[]", "{}") and "Default: " not in entry.description:
            description += " " + translate(_DEFAULT, value=f"`{entry.value}`")
        page.term(entry.name, description)
