"""What a call of root's makes sure of before it acts: that nobody else can change what it follows and executes.

Used by the session and by the commands that make a daemon. Does nothing for any other caller, who has no more
power than those who could change the files.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import taskserver
from taskserver.daemon import identity as identities
from taskserver.daemon import trust
from taskserver.errors import NotAllowed
from taskserver.texts import mark

if TYPE_CHECKING:
    from taskserver.config import Settings
    from taskserver.daemon.identity import Identity
    from taskserver.daemon.trust import Weakness


class DatabaseRefused(NotAllowed):
    text = mark(
        "root does not open a database that others can change: {place}; or set run_as to the daemon's user, or "
        "call this as that user"
    )


def load(file: Path, *, installation: Path) -> Settings:
    """The settings in `file`, with the rights of those who can change it.

    One that run_as can change is read as run_as, and so is a password's file: either could lead to a file of
    root's. Raises ConfigurationRefused where others than root and run_as can change one of them or the way to it.
    """
    from taskserver.config import load, peek

    if os.geteuid() != 0:
        return load(file, installation=installation)
    if trust.weakness(file) is None:
        settings = load(file, installation=installation)
        secret = settings.database_password_file
        if secret is None or trust.weakness(secret) is None:
            return settings
        run_as = settings.run_as
        _require_own(secret, run_as)
    else:
        run_as = peek(file, installation=installation).run_as
        _require_own(file, run_as)
    with identities.acting_as(identities.resolve(run_as)):
        settings = load(file, installation=installation)
    for place in filter(None, (file, settings.database_password_file)):
        _require_own(place, settings.run_as)
    return settings


def _require_own(file: Path, run_as: str | None) -> None:
    found = trust.weakness(file, _trusted_users(run_as))
    if found is not None:
        raise trust.ConfigurationRefused([found])


def require_code(settings: Settings, who: Identity) -> None:
    """Raises CodeRefused for an installation or task modules that root must not run."""
    trust.require_code(weak_code(settings, who))


def require_modules(settings: Settings, who: Identity) -> None:
    """The same for the task modules alone, also when root has become `who` already."""
    trust.require_code(_weak_tasks(settings, who))


def weak_code(settings: Settings, who: Identity) -> Iterator[Weakness]:
    """What is executed as root, or by the daemon of `who`, and can be changed by others than root (and `who`)."""
    if os.geteuid() != 0:
        return
    yield from trust.installation(Path(taskserver.__file__).resolve().parent)
    yield from _weak_tasks(settings, who)


def require_database(settings: Settings) -> None:
    """Raises DatabaseRefused where root would open an SQLite file in a folder in which others can plant links."""
    from taskserver.config.database_url import file_of

    file = file_of(settings.database)
    if os.geteuid() != 0 or file is None:
        return
    found = trust.weakness(file.parent) or trust.weakness(file)
    if found is not None:
        raise DatabaseRefused(place=found)


def owner_of_database(settings: Settings) -> Identity | None:
    """The user to whom the folder of an SQLite file belongs, if nobody else but root could have a hand in it.

    Where a service manager starts the daemon as its user, run_as may be missing: root then works as that user.
    None for root's own, and where there is no such file or user.
    """
    import pwd

    from taskserver.config.database_url import file_of

    file = file_of(settings.database)
    try:
        owner = pwd.getpwuid(file.parent.stat().st_uid) if file is not None else None
    except (OSError, KeyError):
        return None
    if file is None or owner is None or owner.pw_uid == 0:
        return None
    if trust.weakness(file.parent, trust.ROOT | {owner.pw_uid}) is not None:
        return None
    return identities.resolve(owner.pw_name, passes=settings.pass_environment)


def settle(settings: Settings, who: Identity) -> Identity:
    """`who`, as which root goes on.

    A configuration that `who` can change is followed with the rights of `who` and no others, from here on: else it
    could have root make files wherever it likes.
    """
    if not who.changes or settings.file is None or trust.weakness(settings.file) is None:
        return who
    identities.become(who)
    return identities.resolve(None, allow_root=False)


def _trusted_users(run_as: str | None) -> frozenset[int]:
    """The uids of root and of `run_as`, if there is such a user."""
    import pwd

    try:
        return trust.ROOT | {pwd.getpwnam(run_as).pw_uid} if run_as else trust.ROOT
    except KeyError:
        return trust.ROOT


def _weak_tasks(settings: Settings, who: Identity) -> Iterator[Weakness]:
    trusted = trust.ROOT | {who.uid}
    for folder in settings.python_path:
        yield from trust.weaknesses(folder, trusted, modules_only=True)
    for task in settings.tasks.values():
        found = trust.weakness(Path(task.command[0]), trusted)
        if found is not None:
            yield found
