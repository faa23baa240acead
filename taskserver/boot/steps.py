"""What installing and uninstalling tell while they work, and the errors with which they refuse to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from taskserver.errors import NotAllowed, NotConfigured, TaskServerError
from taskserver.texts import mark


class Action(StrEnum):
    """What is done to a path, or that a command is run."""

    RUN = "run"
    WRITE = "write"
    LINK = "link"
    MAKE = "make"
    EDIT = "edit"
    REMOVE = "remove"
    KEEP = "keep"
    LEFT = "left"


class Why(StrEnum):
    """Why something is kept."""

    CHANGED = "changed"
    EXISTED = "existed"
    DATA = "data"
    OWNER = "owner"
    NOT_EMPTY = "not-empty"
    SHARED = "shared"


CHANGES = frozenset({Action.RUN, Action.WRITE, Action.LINK, Action.MAKE, Action.EDIT, Action.REMOVE})


@dataclass(frozen=True, slots=True)
class Step:
    """One thing done, kept, or left to do. `what` is a path or a command as a person types it."""

    action: Action
    what: str
    detail: str = ""
    why: Why | None = None


Tell = Callable[[Step], None]


class OnlyRoot(NotAllowed):
    text = mark("only root may do this to the running system; call it with sudo, or with --prefix or --dry-run")


class ForeignFile(TaskServerError):
    text = mark(
        "{files}: not written by `task_server install`, and other than what it would write; move it out of the "
        "way (mv {first} {first}.old), then call this again"
    )

    def __init__(self, files: Sequence[str]) -> None:
        super().__init__(files=", ".join(files), first=files[0])


class ChangedFile(TaskServerError):
    text = mark(
        "{files}: changed by hand since it was installed, and there is something new for it; move it out of the "
        "way (mv {first} {first}.mine), call this again, and bring your changes over"
    )

    def __init__(self, files: Sequence[str]) -> None:
        super().__init__(files=", ".join(files), first=files[0])


class OtherSystem(TaskServerError):
    text = mark(
        "{name} is installed for {system} already; take that back first: `task_server uninstall --name {name}`"
    )


class UserDisagrees(NotConfigured):
    text = mark("{file} says run_as = {configured!r}, the command line --run-as {wanted}; change one of the two")


class NobodyToRunAs(NotConfigured):
    text = mark(
        "whom shall the daemon run as? Name a user with --run-as USER (it is made if it does not exist), "
        "or with run_as in {file}"
    )


class RootNotAllowed(NotConfigured):
    text = mark(
        "the daemon refuses to run as root; name another user with --run-as USER (it is made if it does not "
        "exist), or write allow_root = true into {file}"
    )


class NameTaken(TaskServerError):
    text = mark("{path} is a service named {name} already; choose another name with --name")


class InstalledAlready(TaskServerError):
    text = mark(
        "the users directory {folder} belongs to the service {name}; two daemons cannot share one: give this "
        "service a configuration of its own (-c FILE), or call `task_server uninstall --name {name}` first"
    )


class RunAsMissing(NotConfigured):
    text = mark(
        "{file} does not say run_as, and it can't be written there without touching the rest; add this line below "
        '[task_server], then call this again: run_as = "{user}"'
    )


class FolderOfAnother(NotConfigured):
    text = mark(
        "the users directory {folder} belongs to {owner}; stop the daemon (`task_server stop`), hand the folder "
        "over ({commands}), then call this again"
    )


class UsersDirOutOfReach(NotConfigured):
    text = mark(
        "the user {user} can't reach {path} (users_dir): {bar} is closed to it; name a folder in a place that it "
        "can reach, such as /var/lib/taskserver"
    )


class OutOfReach(NotConfigured):
    text = mark(
        "the user {user} can't reach {path}: {bar} is closed to it; move the installation to a place that all can "
        "reach, such as /opt/taskserver"
    )
