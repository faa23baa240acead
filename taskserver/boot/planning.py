"""From a site to a plan: every file of the service with its text, and whatever would speak against it.

Reads the files in `scripts/boot` and looks at the machine; changes nothing.
"""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from taskserver.boot import edit, logrotate, systems, tools, users
from taskserver.boot.installer import File, Link, Plan
from taskserver.boot.site import Site
from taskserver.boot.steps import (
    FolderOfAnother,
    NobodyToRunAs,
    OutOfReach,
    RootNotAllowed,
    RunAsMissing,
    UserDisagrees,
    UsersDirOutOfReach,
)
from taskserver.boot.systems import InitSystem
from taskserver.boot.tree import Tree
from taskserver.daemon.folders import refusals
from taskserver.daemon.identity import barrier
from taskserver.errors import EXIT_NOT_INSTALLED, TaskServerError
from taskserver.texts import mark, translate

_CREDENTIALS = Path("/etc/taskserver")


class NoBootFile(TaskServerError):
    text = mark("there is no {file}; install from a whole clone of the task server")
    exit_code = EXIT_NOT_INSTALLED


@dataclass(frozen=True, slots=True)
class Wish:
    """What the caller wants of the installation."""

    enable: bool = False
    files: Sequence[File] = ()
    """Manual pages and completions."""
    links: Sequence[Link] = ()


def user_of(
    configured: str | None, wanted: str | None, *, allow_root: bool, file: Path, accounts: users.Accounts
) -> str:
    """Whom the service runs as. Raises UserDisagrees, NobodyToRunAs, RootNotAllowed."""
    if wanted and configured and wanted != configured:
        raise UserDisagrees(file=file, configured=configured, wanted=wanted)
    user = wanted or configured or ("root" if allow_root else None)
    if user is None:
        raise NobodyToRunAs(file=file)
    if accounts.is_root(user) and not allow_root:
        raise RootNotAllowed(file=file)
    return user


def make(site: Site, system: InitSystem, wish: Wish, *, tree: Tree, configured: str | None, file: Path) -> Plan:
    """The whole plan. Raises what an installation would founder on, each with what to do."""
    accounts = users.Accounts(tree)
    if tree.is_running_system:
        _require_user(site, accounts)
        _require_tools(system, wish)
        _require_reach(site)
        _require_folder(site, accounts)
    change = None
    if configured is None and site.user != "root":
        change = edit.setting_run_as(file, site.user)
        if change is None:
            raise RunAsMissing(file=file, user=site.user)
    boot_files = [_boot_file(site, system, each) for each in system.files]
    if system.waiting is not None and not (wish.enable or system.is_enabled(tree, site.name)):
        place, text = system.waiting
        boot_files.append(File(Path(place.format(name=site.name)), text.encode()))
    files = [*_snippets(site, system, tree), *wish.files]
    needs_etc = any(_names_credentials(each.content) for each in boot_files)
    return Plan(
        site=site,
        system=system,
        boot_files=boot_files,
        files=files,
        links=wish.links,
        folders=(_CREDENTIALS,) if needs_etc else (),
        edit=change,
        enable=wish.enable,
    )


def _boot_file(site: Site, system: InitSystem, boot_file: systems.BootFile) -> File:
    source = site.installation / "scripts" / "boot" / boot_file.source
    try:
        text = source.read_text("utf-8")
    except FileNotFoundError:
        raise NoBootFile(file=source) from None
    target = Path(boot_file.target.format(name=site.name))
    return File(target, boot_file.adapt(text, site).encode(), boot_file.mode)


def _snippets(site: Site, system: InitSystem, tree: Tree) -> Iterable[File]:
    caught = Path(f"/var/log/{site.name}.log") if system is systems.OPENRC else None
    text = logrotate.snippet(site, own_folder=_is_own_folder(site, tree), caught=caught)
    if text is not None:
        yield File(Path(f"/etc/logrotate.d/{site.name}"), text.encode())


def _is_own_folder(site: Site, tree: Tree) -> bool:
    """Whether the log's folder is, or will be, the user's own."""
    if site.log_file is None or site.user == "root":
        return False
    if site.log_file.is_relative_to(site.users_dir):
        return True
    status = tree.status(site.log_file.parent)
    return status is None or status.st_uid != 0


def _names_credentials(content: bytes) -> bool:
    lines = [line for line in content.decode().splitlines() if not line.lstrip().startswith("#")]
    return any(f"{_CREDENTIALS}/" in line for line in lines)


def _require_user(site: Site, accounts: users.Accounts) -> None:
    if not accounts.exists(site.user):
        accounts.making(site.user, site.users_dir)
        users.require_tool(site.user)


def _require_tools(system: InitSystem, wish: Wish) -> None:
    for command in system.enable if wish.enable else ():
        if tools.find(command[0]) is None:
            hint = translate("leave out --enable, or name the init system that this machine has")
            raise tools.ToolMissing(tool=command[0], folders=tools.PATH, hint=hint)


def _require_reach(site: Site) -> None:
    identity = users.identity(site.user, site.users_dir)
    for parent in (site.users_dir.parent, Path(os.path.realpath(site.users_dir)).parent):
        barred = barrier(parent, identity)
        if barred is not None:
            raise UsersDirOutOfReach(user=site.user, path=site.users_dir, bar=barred)
    for path in (site.program, *((site.config,) if site.config else ()), *site.reads):
        barred = barrier(path, identity)
        if barred is not None:
            raise OutOfReach(user=site.user, path=path, bar=barred)


def _require_folder(site: Site, accounts: users.Accounts) -> None:
    identity = users.identity(site.user, site.users_dir)
    found = refusals(identity, users_dir=site.users_dir, log_file=None)
    if not found:
        return
    folder = site.users_dir
    if not folder.is_dir() or folder.is_symlink() or folder.stat().st_uid == identity.uid:
        raise found[0]
    commands: list[systems.Argv] = [("chown", "-R", f"{site.user}:", str(folder))]
    if not accounts.exists(site.user):
        commands.insert(0, accounts.making(site.user, site.users_dir))
    text = ", ".join(f"`{tools.shown(argv)}`" for argv in commands)
    raise FolderOfAnother(folder=folder, owner=_owner(folder), commands=text)


def _owner(folder: Path) -> str:
    uid = folder.stat().st_uid
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
