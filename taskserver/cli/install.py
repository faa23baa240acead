"""`install` and `uninstall`: the task server as a service of this machine, and exactly that taken back.

Gathers what `taskserver.boot` needs to know and shows its steps as they happen.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from taskserver.cli.command import command, option
from taskserver.cli.output import note, print_json, say
from taskserver.cli.session import Session, pass_session
from taskserver.texts import mark, translate

if TYPE_CHECKING:
    from taskserver.boot.site import Site
    from taskserver.boot.steps import Step
    from taskserver.boot.systems import InitSystem
    from taskserver.boot.tree import Tree

Decorated = TypeVar("Decorated", bound=Callable[..., Any])

_WORDS = {
    "run": mark("run: {what}"),
    "write": mark("write: {what}"),
    "link": mark("link: {what} -> {detail}"),
    "make": mark("make the folder: {what}{detail}"),
    "edit": mark("edit: {what}: {detail}"),
    "remove": mark("remove: {what}"),
    "keep": mark("keep: {what}: {why}"),
    "left": mark("left to do: {what}"),
}
_REASONS = {
    "changed": mark("it was changed since"),
    "existed": mark("it was there before"),
    "data": mark("it holds data; remove it yourself, or with --purge, then call this again"),
    "owner": mark("this user owns the data that are kept"),
    "not-empty": mark("something else is in it"),
}


class _ServiceName(click.ParamType[str]):
    name = "name"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        import re

        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,59}", str(value)):
            self.fail(translate("{value!r} is no name for a service", value=value), param, ctx)
        if str(value).endswith((".service", ".conf", ".timer", ".socket", ".target")):
            self.fail(translate("{value!r}: leave out what follows the last dot", value=value), param, ctx)
        return str(value)


def _place_options(function: Decorated) -> Decorated:
    name = option(
        "--name",
        metavar="NAME",
        type=_ServiceName(),
        default="task-server",
        show_default=True,
        help=mark("The name of the service; several servers on one machine need one each."),
    )
    prefix = option(
        "--prefix",
        metavar="DIR",
        type=click.Path(path_type=Path, file_okay=False, exists=True),
        default=Path("/"),
        help=mark("Work on the system below this folder, without touching the running one."),
    )
    dry_run = option("--dry-run", is_flag=True, help=mark("Show every step, change nothing."))
    return name(prefix(dry_run(function)))


def _system_options(function: Decorated) -> Decorated:
    for key, text in (
        ("runit", mark("Make it a service of runit.")),
        ("openrc", mark("Make it a service of OpenRC.")),
        ("upstart", mark("Make it a service of upstart.")),
        ("sysv", mark("Make it a service of System V init.")),
        ("systemd", mark("Make it a service of systemd. Default: the init system that is found.")),
    ):
        function = option(f"--{key}", "system_key", flag_value=key, help=text)(function)
    return function


@command(
    examples=[
        "task_server install --run-as taskserver --enable",
        "task_server install --dry-run",
        "task_server install -c /etc/erp.toml --name erp-tasks --run-as erp",
    ]
)
@_system_options
@option("--run-as", metavar="USER", help=mark("Whom the daemon becomes; made if there is no such user."))
@option("--enable", is_flag=True, help=mark("Start it with the machine from now on."))
@_place_options
@pass_session
def install(
    session: Session,
    system_key: str | None,
    run_as: str | None,
    enable: bool,
    name: str,
    prefix: Path,
    dry_run: bool,
) -> None:
    """Makes the task server a service of this machine.

    Writes the boot file for its init system, makes the user and the folders, and installs the manual pages, the
    completions of the shells and the rotation of the log. Shows each command that it runs and each file that it
    writes. A second call changes nothing; `task_server uninstall` takes all of it back.
    """
    from taskserver.boot import planning, systems
    from taskserver.boot.installer import Installer
    from taskserver.boot.tree import Tree
    from taskserver.boot.users import Accounts
    from taskserver.cli.service_files import shared_files, shared_links

    tree = Tree(prefix)
    _require_root(tree, dry_run=dry_run)
    settings, accounts = session.settings, Accounts(tree)
    user = planning.user_of(
        settings.run_as,
        run_as,
        allow_root=settings.allow_root,
        file=session.config_file(),
        accounts=accounts,
    )
    system = systems.on_this_machine(systems.SYSTEMS[system_key] if system_key else systems.detect(tree))
    site = _site(session, name, user, accounts.group_of(user))
    wish = planning.Wish(enable=enable, files=shared_files(), links=shared_links(site.program))
    plan = planning.make(site, system, wish, tree=tree, configured=settings.run_as, file=session.config_file())
    steps = _Steps(session)
    Installer(tree, plan, steps, dry_run=dry_run).install()
    steps.end(
        {"name": name, "init": system.key, "dry_run": dry_run},
        nothing=translate("{name} is installed already; nothing was changed", name=name),
        dry_run=dry_run,
    )
    if not session.json and tree.is_running_system:
        _show_next(system, name, enable=enable)


@command(examples=["task_server uninstall", "task_server uninstall --dry-run"])
@option("--purge", is_flag=True, help=mark("Remove the users directory as well, with every job and run in it."))
@_place_options
@pass_session
def uninstall(session: Session, purge: bool, name: str, prefix: Path, dry_run: bool) -> None:
    """Takes back what install has made, and nothing else.

    Stops the service. Files that were changed since, and a users directory with data in it, are kept and named.
    """
    from taskserver.boot.record import Records
    from taskserver.boot.tree import Tree
    from taskserver.boot.uninstaller import Uninstaller

    tree = Tree(prefix)
    _require_root(tree, dry_run=dry_run)
    steps = _Steps(session)
    record = Records(tree).read(name)
    if record is not None:
        Uninstaller(tree, record, steps, dry_run=dry_run, purge=purge).uninstall()
    steps.end(
        {"name": name, "dry_run": dry_run},
        nothing=translate("{name} is not installed; nothing was changed", name=name),
        dry_run=dry_run,
    )


class _Steps:
    """Shows each step as it happens, or all of them as one document."""

    def __init__(self, session: Session) -> None:
        self._json = session.json
        self._told: list[Step] = []

    def __call__(self, step: Step) -> None:
        self._told.append(step)
        if not self._json:
            detail = f" ({step.detail})" if step.action == "make" and step.detail else step.detail
            why = translate(_REASONS[step.why]) if step.why else ""
            say(translate(_WORDS[step.action]).format(what=step.what, detail=detail, why=why))
            with suppress(OSError):  # nobody looks any more: that is no reason to stop halfway
                sys.stdout.flush()

    def end(self, facts: dict[str, Any], *, nothing: str, dry_run: bool) -> None:
        from taskserver.boot.steps import CHANGES

        changed = any(step.action in CHANGES for step in self._told)
        if self._json:
            steps = [
                {"action": step.action, "what": step.what, "detail": step.detail or None, "why": step.why}
                for step in self._told
            ]
            print_json({**facts, "changed": changed and not dry_run, "steps": steps})
        elif not changed:
            note(nothing)
        elif dry_run:
            note(translate("nothing was changed (--dry-run)"))


def _site(session: Session, name: str, user: str, group: str) -> Site:
    from taskserver.boot.site import Site
    from taskserver.config import find_config_file
    from taskserver.errors import NotConfigured

    settings, script = session.settings, session.installation / "scripts" / "task_server.py"
    try:
        found: Path | None = find_config_file(None, installation=session.installation, environment={})
    except NotConfigured:
        found = None
    chosen = session.config_file()
    return Site(
        name=name,
        installation=session.installation,
        program=script if script.exists() else Path(sys.prefix) / "bin" / "task_server",
        config=None if found == chosen else chosen,
        user=user,
        group=group,
        users_dir=settings.users_dir,
        log_file=None if settings.log_format == "syslog" else settings.log_file,
        drain=settings.drain_timeout,
        reads=(Path(sys.executable), chosen, *settings.python_path),
    )


def _require_root(tree: Tree, *, dry_run: bool) -> None:
    from taskserver.boot.steps import OnlyRoot

    if tree.is_running_system and os.geteuid() != 0 and not dry_run:
        raise OnlyRoot()


def _show_next(system: InitSystem, name: str, *, enable: bool) -> None:
    from taskserver.boot.systems import filled
    from taskserver.boot.tools import shown

    note(translate("to start it now: {command}", command=shown(filled(system.start, name))))
    if not enable:
        note(translate("to start it with the machine, call this again with --enable"))
