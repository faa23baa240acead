"""Takes back what a record says, last things first, and keeps what is not as it was left.

A file changed by hand, a users directory with data in it and the user who owns that data stay and are named; the
record keeps them, so that a later call removes them once nothing speaks against it.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from taskserver.boot import edit, systems, tools, users
from taskserver.boot.record import FOLDER, Record, Records
from taskserver.boot.steps import Action, Step, Tell, Why
from taskserver.boot.systems import Argv, InitSystem
from taskserver.boot.tree import Tree


@dataclass
class Uninstaller:
    """One call of `uninstall`. `dry_run` tells the same steps and does none; `purge` removes the data as well."""

    tree: Tree
    record: Record
    tell: Tell
    dry_run: bool = False
    purge: bool = False
    _kept: Record = field(init=False)

    def __post_init__(self) -> None:
        self._records = Records(self.tree)
        self._others = self._records.others(self.record.name)
        self._kept = Record(self.record.name, self.record.system)

    @property
    def _system(self) -> InitSystem:
        return systems.on_this_machine(systems.SYSTEMS[self.record.system])

    def uninstall(self) -> None:
        """Raises ToolFailed if a command fails; what is left then stands in the record still."""
        with self._records.locked():
            was_service = self._is_service()
            if was_service:
                self._take_out_of_service()
            links = [self._remove_link(Path(path), target) for path, target in self.record.links.items()]
            removed = [self._remove_file(Path(path)) for path in reversed(self.record.files)]
            self._remove_litter()
            if was_service and any((*links, *removed)) and systems.is_at_work(self._system, self.tree):
                self._run(self._system.renewed)
            self._undo_edit()
            self._remove_folders()
            self._keep_data()
            self._remove_user()
            self._forget()

    def _is_service(self) -> bool:
        target = self._system.files[0].target.format(name=self.record.name)
        return target in self.record.files and self.tree.status(Path(target)) is not None

    def _take_out_of_service(self) -> None:
        if systems.is_at_work(self._system, self.tree):
            self._run(self._system.stop, tolerated=self._system.tolerated)
        if not self._system.is_enabled(self.tree, self.record.name):
            return
        if self.tree.is_running_system:
            self._run(self._system.disable)
        elif self._system.root_option:
            for command in self._system.disable:
                self._perform(systems.filled(command, self.record.name, self.tree.prefix))

    def _remove_link(self, path: Path, target: str) -> bool:
        standing = self.tree.link(path)
        if standing == target and not any(str(path) in record.links for record in self._others):
            self._remove(path)
            return True
        if self.tree.status(path) is not None and standing != target:
            self._kept.links[str(path)] = target
            self._keep(path, Why.CHANGED)
        return False

    def _remove_file(self, path: Path) -> bool:
        content = self.tree.read(path) if self.tree.status(path) is not None else None
        if content is None or any(str(path) in record.files for record in self._others):
            return False
        if not self.record.is_own_file(path, content):
            self._kept.files[str(path)] = self.record.files[str(path)]
            self._keep(path, Why.CHANGED)
            return False
        self._remove(path)
        return True

    def _remove_litter(self) -> None:
        """What the init system itself has left beside our files."""
        for pattern in self._system.litter if self.tree.is_running_system else ():
            place = self.tree.shown(Path(pattern.format(name=self.record.name)))
            if place.is_dir() and not place.is_symlink():
                self.tell(Step(Action.REMOVE, str(place)))
                if not self.dry_run:
                    shutil.rmtree(place)

    def _undo_edit(self) -> None:
        change = self.record.edit
        if change is None:
            return
        content = edit.undone(change)
        if content is False:
            self.tell(Step(Action.KEEP, f"{change['file']}: {change['after'].splitlines()[-1]}", why=Why.CHANGED))
        elif content is not None:
            self.tell(Step(Action.EDIT, str(change["file"]), change["before"]))
            if not self.dry_run:
                edit.undo(change)

    def _remove_folders(self) -> None:
        """Removes the folders that were made and are empty, or hold data that nobody wants any more."""
        for name in reversed(self.record.folders):
            folder = Path(name)
            if folder == FOLDER or FOLDER.is_relative_to(folder):
                continue
            if name in self.record.data and self.purge:
                self._purge(folder)
            elif not self._remove_folder(folder):
                self._keep_folder(folder)

    def _keep_data(self) -> None:
        """Data in places that were there before stay; of them, only the log can be purged, as a file of ours."""
        for name in self.record.data:
            if name in self.record.folders or self.tree.status(Path(name)) is None or self._give_back(Path(name)):
                continue
            if self.purge and self.tree.link(Path(name)) is None and not self.tree.shown(Path(name)).is_dir():
                self._remove(Path(name))
                continue
            self._kept.data.append(name)
            if name in self.record.given:
                self._kept.given[name] = self.record.given[name]
            self._keep(Path(name), Why.EXISTED if self.purge else Why.DATA)

    def _remove_folder(self, folder: Path) -> bool:
        if self.tree.status(folder) is None or (self.dry_run and folder in self._enabling_folders()):
            return True
        left = set(self.tree.names(folder)) - self._going(folder)
        if left:
            return False
        self.tell(Step(Action.REMOVE, str(self.tree.shown(folder))))
        return True if self.dry_run else self.tree.remove_folder(folder)

    def _enabling_folders(self) -> list[Path]:
        """The folders of links that enable services; the tool that lays the links removes them with the last."""
        return [Path(pattern).parent for pattern in self._system.enabled_at if self._system.enable]

    def _going(self, folder: Path) -> set[str]:
        """What of a folder a real call would have removed by now."""
        if not self.dry_run:
            return set()
        kept = {*self._kept.files, *self._kept.links, *self._kept.folders}
        litter = [pattern.format(name=self.record.name) for pattern in self._system.litter]
        gone = [*self.record.files, *self.record.links, *self.record.folders, *litter]
        return {Path(path).name for path in gone if Path(path).parent == folder and path not in kept}

    def _give_back(self, folder: Path) -> bool:
        """A folder that was another's and is as empty as before goes back to it; whether that is so."""
        before = self.record.given.get(str(folder))
        if before is None or self.tree.link(folder) is not None or self.tree.names(folder):
            return False
        uid, gid, mode = before.split()
        self._perform(("chown", "--no-dereference", f"{uid}:{gid}", str(folder)))
        self._perform(("chmod", mode, str(folder)))
        return True

    def _keep_folder(self, folder: Path) -> None:
        self._kept.folders.insert(0, str(folder))
        if str(folder) in self.record.data:
            self._kept.data.append(str(folder))
            self._keep(folder, Why.DATA)
        elif not self._others and not any(Path(path).is_relative_to(folder) for path in self._kept_paths()):
            self._keep(folder, Why.NOT_EMPTY)

    def _kept_paths(self) -> list[str]:
        return [*self._kept.files, *self._kept.links, *self._kept.folders[1:]]

    def _purge(self, folder: Path) -> None:
        place = self.tree.shown(folder)
        if place.is_dir() and not place.is_symlink():
            self.tell(Step(Action.REMOVE, str(place)))
            if not self.dry_run:
                shutil.rmtree(place)

    def _remove_user(self) -> None:
        name = self.record.user
        if name is None or not self.tree.is_running_system or not users.Accounts(self.tree).exists(name):
            return
        if self._kept.data:
            self._kept.user, self._kept.group_stays = name, self.record.group_stays
            self._keep_text(name, Why.OWNER)
            return
        self._perform(("userdel", name))
        if (
            self.record.group_stays is not None
            and users.Accounts(self.tree).group_number(name) is None
            and not self.dry_run
        ):
            self._perform(("groupadd", "--system", "--gid", str(self.record.group_stays), name))

    def _forget(self) -> None:
        kept = self._kept
        if self._others and kept.folders and not kept.data:
            heir = self._others[0]
            heir.folders = [*kept.folders, *heir.folders]
            kept.folders = []
            if not self.dry_run:
                self._records.write(heir)
        own = [name for name in self.record.folders if FOLDER.is_relative_to(name)]
        if kept.files or kept.links or kept.folders or kept.user:
            kept.folders = [*own, *kept.folders]
            if not self.dry_run:
                self._records.write(kept)
            return
        if self.dry_run:
            return
        self._records.remove(self.record.name)
        for name in reversed(own):
            if not self.tree.remove_folder(Path(name)) and self._others:
                self._others[0].folders.insert(0, name)
                self._records.write(self._others[0])

    # --- the means

    def _run(self, commands: Sequence[Argv], *, tolerated: Sequence[int] = ()) -> None:
        for command in commands if self.tree.is_running_system else ():
            self._perform(systems.filled(command, self.record.name), tolerated)

    def _perform(self, argv: Argv, tolerated: Sequence[int] = ()) -> None:
        self.tell(Step(Action.RUN, tools.shown(argv)))
        if not self.dry_run:
            tools.run(argv, tolerated=tolerated)

    def _remove(self, path: Path) -> None:
        self.tell(Step(Action.REMOVE, str(self.tree.shown(path))))
        if not self.dry_run:
            self.tree.remove(path)

    def _keep(self, path: Path, why: Why) -> None:
        self._keep_text(str(self.tree.shown(path)), why)

    def _keep_text(self, what: str, why: Why) -> None:
        self.tell(Step(Action.KEEP, what, why=why))
