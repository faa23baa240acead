"""Makes the files in `scripts/boot` fit one installation: text in, text out.

Works on the lines that each file has for it, and refuses a file in which such a line is missing: what could not be
adapted must not be installed. Reads and writes nothing.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from pathlib import Path

from taskserver.boot.site import STANDARD_NAME, Site
from taskserver.errors import EXIT_NOT_INSTALLED, TaskServerError
from taskserver.texts import mark

SAMPLE_INSTALLATION = "/opt/taskserver"
SAMPLE_PROGRAM = f"{SAMPLE_INSTALLATION}/scripts/task_server.py"

_HEAD = "# Written by `task_server install`; `task_server uninstall` takes it back."
_PLAIN_NAME = re.compile(r"[\w.-]+", re.ASCII)
"""What systemd takes as the name of a state folder as it is; it reads others twice, with other rules each time."""

_HOMES = tuple(map(Path, ("/home", "/root", "/run/user")))
_TEMPORARY = tuple(map(Path, ("/tmp", "/var/tmp")))  # noqa: S108 the names, nothing is written there


class BootFileStrange(TaskServerError):
    text = mark("the boot file cannot be adapted: it has no line {line!r}; take the one of this release")
    exit_code = EXIT_NOT_INSTALLED


def systemd(text: str, site: Site) -> str:
    """The unit: foreground, as the user, with the folders of this configuration open for writing."""
    program = " ".join(map(_systemd_word, site.arguments))
    text = _headed(text)
    text = _line(text, rf"^ExecStart=.*?{re.escape(SAMPLE_PROGRAM)}(?= |$)", r"\g<0>")  # it must be there
    text = text.replace(SAMPLE_PROGRAM, program)
    text = text.replace(f"file://{SAMPLE_INSTALLATION}", site.installation.as_uri().replace("%", "%%"))
    text = text.replace(SAMPLE_INSTALLATION, str(site.installation))
    text = _key(text, "User", site.user)
    text = _key(text, "Group", site.group, after="User")
    text = _key(text, "TimeoutStopSec", str(site.stop_seconds))
    text = _opened(text, site)
    needed = (site.installation, site.program, site.config, site.users_dir, *site.reads)
    if _any_below(needed, _HOMES):
        text = _key(text, "ProtectHome", "read-only", only_present=True)
    if _any_below(needed, _TEMPORARY):
        text = _key(text, "PrivateTmp", "no", only_present=True)
    return _named(text, site)


def system_v(text: str, site: Site) -> str:
    text = _line(_headed(text), r"^DAEMON=.*$", f"DAEMON={_literal(shlex.quote(str(site.program)))}")
    return _named(text, site)


def system_v_defaults(text: str, site: Site) -> str:
    return _shell_settings(_named(text, site), site, ("DAEMON", "CONFIG"))


def upstart(text: str, site: Site) -> str:
    program = shlex.join(site.arguments)
    text = _line(_headed(text), rf"^exec {re.escape(SAMPLE_PROGRAM)}(?= )", f"exec {_literal(program)}")
    text = _line(text, r"^setuid .*$", f"setuid {site.user}\nsetgid {site.group}")
    text = _line(text, r"^kill timeout .*$", f"kill timeout {site.stop_seconds}")
    return _named(text, site)


def openrc(text: str, site: Site) -> str:
    text = _headed(text).replace(SAMPLE_PROGRAM, shlex.quote(str(site.program)))
    text = _line(text, r'^retry="TERM/\d+/', f'retry="TERM/{site.stop_seconds}/')
    return _named(text, site)


def shell_settings(text: str, site: Site) -> str:
    """A file of settings that an init script reads: program, configuration and user."""
    text = _headed(text) if re.search(r"^# Adapt", text, re.MULTILINE) else text
    return _shell_settings(_named(text, site), site, ("DAEMON", "CONFIG", "RUN_AS"))


def as_it_is(text: str, site: Site) -> str:
    return _named(text, site)


def _shell_settings(text: str, site: Site, names: Sequence[str]) -> str:
    values = {"DAEMON": site.program, "CONFIG": site.config, "RUN_AS": f"{site.user}:{site.group}"}
    for name in names:
        if values[name] is not None:
            value = _literal(shlex.quote(str(values[name])))
            text = _line(text, rf"^(# ?)?{name}=.*$", f"{name}={value}")
    return text


def _opened(text: str, site: Site) -> str:
    """The places that the service writes: a state folder of systemd's own where the configuration agrees."""
    folders = [site.users_dir]
    if site.log_file is not None and not site.log_file.is_relative_to(site.users_dir):
        folders.append(site.log_file.parent)
    for key, parent in (("StateDirectory", Path("/var/lib")), ("LogsDirectory", Path("/var/log"))):
        managed = next((folder for folder in folders if folder.parent == parent), None)
        if (
            managed is not None
            and _PLAIN_NAME.fullmatch(managed.name)
            and re.search(rf"^{key}=", text, re.MULTILINE)
        ):
            text = _key(text, key, managed.name)
            folders.remove(managed)
        else:
            text = re.sub(rf"^{key}(Mode)?=.*\n", "", text, flags=re.MULTILINE)
    text = re.sub(r"^ReadWritePaths=.*\n", "", text, flags=re.MULTILINE)
    shared = (Path("/var/log"), Path("/var/lib"))
    opened = [_systemd_path(str(folder)) for folder in folders if folder not in shared]
    return _key(text, "ReadWritePaths", " ".join(opened), after="Group") if opened else text


def _key(text: str, name: str, value: str, *, after: str | None = None, only_present: bool = False) -> str:
    """`name=value` in the place of the first line that sets it, else behind the line that sets `after`."""
    line = f"{name}={value}"
    changed, count = re.subn(rf"^{name}=.*$", lambda _: line, text, count=1, flags=re.MULTILINE)
    if count or only_present:
        return changed
    return _line(text, rf"^({after or name}=.*)$", rf"\g<1>\n{_literal(line)}")


def _line(text: str, pattern: str, replacement: str) -> str:
    changed, count = re.subn(pattern, replacement, text, count=1, flags=re.MULTILINE)
    if not count:
        raise BootFileStrange(line=pattern)
    return changed


def _headed(text: str) -> str:
    """The comment that tells how to adapt the file by hand gives way to one that tells who has."""
    return _line(text, r"^# Adapt.*(\n# .*)*(\n#$)?", _literal(_HEAD))


def _named(text: str, site: Site) -> str:
    """A second service has its own name in everything: unit, identifier, credentials, folder below /run."""
    if site.name == STANDARD_NAME:
        return text
    text = re.sub(
        r"^(LoadCredential=\w+:)taskserver\.", lambda found: f"{found[1]}{site.name}.", text, flags=re.MULTILINE
    )
    text = re.sub(r"^RuntimeDirectory=.*$", lambda _: f"RuntimeDirectory={site.name}", text, flags=re.MULTILINE)
    return re.sub(
        rf"(?<![\w/-]){STANDARD_NAME}(?![\w@-])|(?<=/){STANDARD_NAME}(?![\w@-])", lambda _: site.name, text
    )


def _literal(text: str) -> str:
    return text.replace("\\", "\\\\")


def _any_below(paths: Sequence[Path | None], folders: Sequence[Path]) -> bool:
    return any(path.is_relative_to(folder) for path in paths if path for folder in folders)


def _systemd_word(word: str) -> str:
    """A word of a command line in a unit: specifiers and variables off, quoted where it must be."""
    return _systemd_path(word).replace("$", "$$")


def _systemd_path(word: str) -> str:
    """The same for a setting that knows no variables."""
    word = word.replace("%", "%%")
    if re.fullmatch(r"[\w@%+=:,./$-]+", word, re.ASCII):
        return word
    return '"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"'
