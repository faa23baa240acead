"""Carries out a plan on a tree, step by step, each written down before it is done.

Everything that could be refused is refused before the first change. What is in place already is left alone, so
that a second call changes nothing. Below another prefix nothing is run that would touch the running system.
"""

from __future__ import annotations

import stat
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from taskserver.boot import systems, tools, users
from taskserver.boot.edit import Edit
from taskserver.boot.record import FOLDER, Record, Records, checksum
from taskserver.boot.site import Site
from taskserver.boot.steps import (
    Action,
    ChangedFile,
    ForeignFile,
    InstalledAlready,
    NameTaken,
    OtherSystem,
    Step,
    Tell,
    Why,
)
from taskserver.boot.systems import InitSystem
from taskserver.boot.tree import Tree
from taskserver.daemon.folders import prepare_folder
from taskserver.texts import translate


@dataclass(frozen=True, slots=True)
class File:
    """A file to be written. A `shared` one is for every service of the machine, as a manual page is."""

    path: Path
    content: bytes
    mode: int = 0o644
    shared: bool = False


@dataclass(frozen=True, slots=True)
class Link:
    """A symbolic link to be laid; an `optional` one only where nothing stands in its place."""

    path: Path
    target: str
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that an installation consists of."""

    site: Site
    system: InitSystem
    boot_files: Sequence[File]
    files: Sequence[File]
    links: Sequence[Link]
    folders: Sequence[Path] = ()
    """Folders of root that the service needs."""
    edit: Edit | None = None
    enable: bool = False


@dataclass
class Installer:
    """One call of `install`. `dry_run` tells the same steps and does none."""

    tree: Tree
    plan: Plan
    tell: Tell
    dry_run: bool = False
    _record: Record = field(init=False)
    _others: list[Record] = field(init=False)

    def __post_init__(self) -> None:
        self._records = Records(self.tree)

    def install(self) -> None:
        """Does what is missing. Raises what refuses it before anything was changed, or ToolFailed amid it."""
        plan = self.plan
        self._look()
        self._refuse_hidden_services()
        self._refuse_foreign_files()
        if not self.dry_run and self.tree.status(FOLDER) is None:
            self._begin()
        with self._records.locked():
            if not self.dry_run:
                self._look()
            self._make_user()
            self._make_own_folders()
            self._edit()
            boot_changed = [self._write(file) for file in plan.boot_files]
            for file in plan.files:
                self._write(file)
            for link in plan.links:
                self._lay(link)
            boot_changed += [self._remove_stale()]
            if any(boot_changed) and systems.is_at_work(plan.system, self.tree):
                self._run(plan.system.renewed)
            self._enable()
            self._save()

    # --- before

    def _look(self) -> None:
        found = self._records.read(self.plan.site.name)
        if found is not None and found.system != self.plan.system.key and found.files:
            raise OtherSystem(name=found.name, system=systems.SYSTEMS[found.system].title)
        self._record = found or Record(self.plan.site.name, self.plan.system.key)
        self._record.system = self.plan.system.key
        self._record.users_dir = str(self.plan.site.users_dir)
        self._others = self._records.others(self.plan.site.name)
        for other in self._others:
            if other.users_dir == self._record.users_dir:
                raise InstalledAlready(folder=other.users_dir, name=other.name)

    def _refuse_hidden_services(self) -> None:
        for place in self.plan.system.shadowed:
            path = Path(place.format(name=self.plan.site.name))
            if self.tree.status(path) is not None:
                raise NameTaken(path=self.tree.shown(path), name=self.plan.site.name)

    def _refuse_foreign_files(self) -> None:
        foreign, changed = [], []
        for file in (*self.plan.boot_files, *self.plan.files):
            content = self.tree.read(file.path)
            if content is None or content == file.content or self._is_own(file, content):
                continue
            if str(file.path) not in self._record.files:
                foreign.append(str(self.tree.shown(file.path)))
            elif not self._is_settled(file):
                changed.append(str(self.tree.shown(file.path)))
        for link in self.plan.links:
            if not link.optional and self._is_foreign(link):
                foreign.append(str(self.tree.shown(link.path)))
        if foreign:
            raise ForeignFile(foreign)
        if changed:
            raise ChangedFile(changed)

    def _is_own(self, file: File, content: bytes) -> bool:
        records = [self._record, *(self._others if file.shared else ())]
        return any(record.is_own_file(file.path, content) for record in records)

    def _is_settled(self, file: File) -> bool:
        """Whether this very content has been installed before: who changed it since has their way."""
        return checksum(file.content) in self._record.files.get(str(file.path), ())

    def _is_foreign(self, link: Link) -> bool:
        if self.tree.status(link.path) is None:
            return False
        ours = {link.target, self._record.links.get(str(link.path), link.target)}
        return self.tree.link(link.path) not in ours

    def _begin(self) -> None:
        missing = self.tree.missing_folders(FOLDER)
        for folder in missing:
            self.tree.make_folder(folder)
        self._record.folders += map(str, missing)
        self._save()

    # --- the steps

    def _make_user(self) -> None:
        site, accounts = self.plan.site, users.Accounts(self.tree)
        if accounts.exists(site.user):
            return
        argv = accounts.making(site.user, site.users_dir)
        if not self.tree.is_running_system:
            self._left(argv)
            return
        self._record.user, self._record.group_stays = site.user, accounts.group_number(site.user)
        self._save()
        self._run([argv])

    def _make_own_folders(self) -> None:
        site = self.plan.site
        for folder in self.plan.folders:
            self._make_folders(folder)
        self._make_own_folder(site.users_dir, shared=False)
        if site.log_file is not None and not site.log_file.is_relative_to(site.users_dir):
            self._make_own_folder(site.log_file.parent, shared=True)
            own = site.log_file.parent if str(site.log_file.parent) in self._record.folders else site.log_file
            self._note_data(own)

    def _make_own_folder(self, folder: Path, *, shared: bool) -> None:
        site = self.plan.site
        if not self.tree.is_running_system:
            if self.tree.status(folder) is None:
                self._left(users.folder_making(site.user, site.group, folder))
            return
        missing = self.tree.missing_folders(folder)
        if not shared:
            self._note_data(folder)
        if missing:
            self._note_folders(missing)
            for parent in missing[:-1]:
                self.tell(Step(Action.MAKE, str(parent)))
            self.tell(Step(Action.MAKE, str(folder), f"{site.user}:{site.group} 0750"))
        elif not shared:
            self._note_given(folder)
        if not self.dry_run:
            key = "log_file" if shared else "users_dir"
            prepare_folder(users.identity(site.user, site.users_dir), folder, key=key, shared=shared)

    def _edit(self) -> None:
        edit = self.plan.edit
        if edit is None:
            return
        if not self.tree.is_running_system:
            line = edit.after.splitlines()[-1]
            told = translate("write into {file}, below [task_server]: {line}", file=edit.file, line=line)
            self.tell(Step(Action.LEFT, told))
            return
        self._record.edit = edit.record()
        self._save()
        self.tell(Step(Action.EDIT, str(edit.file), edit.after.strip()))
        if not self.dry_run:
            edit.apply()

    def _write(self, file: File) -> bool:
        """Puts a file in place; whether anything changed."""
        content = self.tree.read(file.path)
        known = self._record.files.get(str(file.path))
        if content == file.content:
            if known is None and self._is_of_others(file):
                self._record.files[str(file.path)] = [checksum(file.content)]
            return False
        if content is not None and not self._is_own(file, content):
            self.tell(Step(Action.KEEP, str(self.tree.shown(file.path)), why=Why.CHANGED))
            return False
        self._make_folders(file.path.parent)
        before = [] if content is None else [checksum(content)]
        self._record.files[str(file.path)] = [checksum(file.content), *before]
        self._save()
        self.tell(Step(Action.WRITE, str(self.tree.shown(file.path))))
        if not self.dry_run:
            self.tree.write(file.path, file.content, file.mode)
            self._tell_others(file)
        self._record.files[str(file.path)] = [checksum(file.content)]
        return True

    def _is_of_others(self, file: File) -> bool:
        return file.shared and any(str(file.path) in record.files for record in self._others)

    def _tell_others(self, file: File) -> None:
        for record in self._others:
            if file.shared and str(file.path) in record.files:
                record.files[str(file.path)] = [checksum(file.content)]
                self._records.write(record)

    def _lay(self, link: Link) -> None:
        standing = self.tree.link(link.path)
        if standing == link.target:
            return
        if link.optional and self._is_foreign(link):
            self.tell(Step(Action.KEEP, str(self.tree.shown(link.path)), why=Why.EXISTED))
            return
        self._make_folders(link.path.parent)
        self._record.links[str(link.path)] = link.target
        self._save()
        self.tell(Step(Action.LINK, str(self.tree.shown(link.path)), link.target))
        if not self.dry_run:
            self.tree.make_link(link.path, link.target)

    def _remove_stale(self) -> bool:
        """Takes back files of an earlier call that this one has no use for."""
        wanted = {str(file.path) for file in (*self.plan.boot_files, *self.plan.files)}
        removed = False
        for path in [path for path in self._record.files if path not in wanted]:
            content = self.tree.read(Path(path))
            if content is not None and not self._record.is_own_file(Path(path), content):
                self.tell(Step(Action.KEEP, str(self.tree.shown(Path(path))), why=Why.CHANGED))
                continue
            if content is not None:
                self.tell(Step(Action.REMOVE, str(self.tree.shown(Path(path)))))
                removed = True
                if not self.dry_run:
                    self.tree.remove(Path(path))
            del self._record.files[path]
        return removed

    def _enable(self) -> None:
        plan, name = self.plan, self.plan.site.name
        if not plan.enable:
            return
        if plan.system.enabling_link is not None:
            place, target = (part.format(name=name) for part in plan.system.enabling_link)
            self._lay(Link(Path(place), target))
        elif plan.system.enable and not plan.system.is_enabled(self.tree, name):
            for pattern in plan.system.enabled_at:
                self._note_folders(self.tree.missing_folders(Path(pattern).parent))
            self._run(plan.system.enable, offline=plan.system.root_option)

    # --- the means

    def _run(self, commands: Sequence[systems.Argv], *, offline: bool = False) -> None:
        """Runs commands; below another prefix those alone that can work on it, the others are left to do."""
        for command in commands:
            argv = systems.filled(command, self.plan.site.name)
            if not self.tree.is_running_system:
                rooted = systems.filled(command, self.plan.site.name, self.tree.prefix)
                if not offline or tools.find(argv[0]) is None:
                    self._left(argv)
                    continue
                argv = rooted
            self.tell(Step(Action.RUN, tools.shown(argv)))
            if not self.dry_run:
                tools.run(argv)

    def _left(self, argv: Sequence[str]) -> None:
        self.tell(Step(Action.LEFT, tools.shown(argv)))

    def _make_folders(self, folder: Path) -> None:
        missing = self.tree.missing_folders(folder)
        self._note_folders(missing)
        for each in missing:
            if not self.dry_run:
                self.tree.make_folder(each)

    def _note_folders(self, missing: Sequence[Path]) -> None:
        if missing:
            known = set(self._record.folders)
            self._record.folders += [str(folder) for folder in missing if str(folder) not in known]
            self._save()

    def _note_given(self, folder: Path) -> None:
        """An empty folder of root's goes to the user: that it was root's is to be known."""
        status = self.tree.status(folder)
        if (
            status is None
            or status.st_uid != 0
            or self.plan.site.user == "root"
            or not stat.S_ISDIR(status.st_mode)
        ):
            return
        self._record.given[str(folder)] = f"{status.st_uid} {status.st_gid} {stat.S_IMODE(status.st_mode):o}"
        self._save()
        self.tell(Step(Action.MAKE, str(folder), f"{self.plan.site.user}:{self.plan.site.group} 0750"))

    def _note_data(self, place: Path) -> None:
        if str(place) not in self._record.data:
            self._record.data.append(str(place))
            self._save()

    def _save(self) -> None:
        if not self.dry_run:
            self._records.write(self._record)
