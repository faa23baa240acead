"""Can the daemon's user do what the daemon will have to do? Asked before `start` detaches, answered by that user.

`ask` starts this module as a program under the identity; the program imports the task server and the task modules,
opens the folders, and prints what failed. So a clone under /root is named at once instead of in a log.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from taskserver import plain_files
from taskserver.daemon.folders import LogRefused
from taskserver.daemon.identity import Identity, barrier, scrubbed_environment
from taskserver.errors import NotConfigured
from taskserver.texts import language, mark, translate, use_language

if TYPE_CHECKING:
    from taskserver.config import Settings

TIMEOUT_SECONDS = 60
NEEDED = ("taskserver.server", "daemon", "click", "pydantic", "sqlalchemy", "croniter")


DECLARING = {"command", "title", "env", "defaults"}
"""What of a command task can keep it from being declared."""


class OutOfReach(NotConfigured):
    """The user of the daemon cannot work here."""

    text = mark("the user {name!r} cannot run the task server:\n{faults}")


@dataclass(frozen=True, slots=True)
class Question:
    """What to try. Plain values, so that they travel as JSON."""

    users_dir: str | None
    """None: what is wrong with it is known already."""

    log_file: str | None
    config_file: str | None
    modules: tuple[str, ...] = ()
    python_path: tuple[str, ...] = ()
    commands: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Of each command task what its declaration depends on."""
    needed: tuple[str, ...] = NEEDED
    language: str = "en"


@dataclass(frozen=True, slots=True)
class Answer:
    """What failed (`faults`: the daemon could not work) and what is merely a pity (`warnings`)."""

    faults: list[str]
    warnings: list[str]
    reached: bool = True
    """Whether the identity could run the probe at all."""


def question(settings: Settings, config_file: Path | None) -> Question:
    """What has to be tried for these settings."""
    return Question(
        users_dir=str(settings.users_dir),
        log_file=str(settings.log_file) if settings.log_file else None,
        config_file=str(config_file) if config_file else None,
        modules=tuple(settings.modules),
        python_path=tuple(str(folder) for folder in settings.python_path),
        commands={name: task.model_dump(include=DECLARING) for name, task in settings.tasks.items()},
        language=language(),
    )


def require(identity: Identity, asked: Question, *, installation: Path) -> list[str]:
    """The warnings. Raises OutOfReach, which names all that `identity` cannot reach."""
    answer = ask(identity, asked, installation=installation)
    if answer.faults:
        faults = "\n".join(f"  - {fault}" for fault in answer.faults)
        raise OutOfReach(name=identity.name, faults=faults)
    return answer.warnings


def ask(identity: Identity, asked: Question, *, installation: Path) -> Answer:
    """Run the probe as `identity` and hear its answer; never raises for what the identity cannot do."""
    interpreter = Path(sys.executable)
    environment = scrubbed_environment(identity, os.environ) | {"PYTHONPATH": _import_path(installation)}
    try:
        done = subprocess.run(
            [str(interpreter), "-m", "taskserver.daemon.probe"],
            input=json.dumps(asdict(asked)),
            capture_output=True,
            text=True,
            cwd=installation,
            env=environment,
            timeout=TIMEOUT_SECONDS,
            start_new_session=True,  # away from the terminal of whoever called
            user=identity.uid if identity.changes else None,
            group=identity.gid if identity.changes else None,
            extra_groups=identity.groups if identity.changes else None,
            check=False,
        )
    except subprocess.TimeoutExpired:
        text = translate("importing the tasks took more than {seconds} s", seconds=TIMEOUT_SECONDS)
        return Answer([text], [])
    except OSError as error:
        return Answer(_unreachable(identity, (installation, interpreter)) or [str(error)], [], reached=False)
    return _answer(identity, done, (installation, interpreter, Path(__file__)))


def _answer(identity: Identity, done: subprocess.CompletedProcess[str], places: Iterable[Path]) -> Answer:
    """What the probe printed; if it could not even begin, what bars the way."""
    try:
        return Answer(**json.loads(done.stdout.splitlines()[-1]))
    except (IndexError, TypeError, ValueError):
        barred = _unreachable(identity, places)
        last = done.stderr.strip().splitlines()[-1:] or [f"exit code {done.returncode}"]
        return Answer([*barred, *last], [], reached=False)


def _unreachable(identity: Identity, places: Iterable[Path]) -> list[str]:
    faults = []
    for place in places:
        bar = barrier(place, identity)
        if bar is not None:
            faults.append(translate("{path} is out of reach: {bar} is closed to that user", path=place, bar=bar))
    return faults


def _import_path(installation: Path) -> str:
    own = [str(installation), os.environ.get("PYTHONPATH", "")]
    return os.pathsep.join(part for part in own if part)


# --- the program, which runs as the identity


def answer(asked: Question) -> Answer:
    """Try everything, as whoever runs this."""
    use_language(asked.language)
    faults = [*_folder_faults(asked), *_import_faults(asked)]
    if not any("taskserver" in fault for fault in faults):
        faults += _task_faults(asked)
    warnings = []
    if asked.config_file and not os.access(asked.config_file, os.R_OK):
        warnings.append(
            translate("{path} cannot be read by that user, so `reload` will not work", path=asked.config_file)
        )
    return Answer(faults, warnings)


def _folder_faults(asked: Question) -> list[str]:
    faults = []
    users_dir_fault = asked.users_dir and _unusable(Path(asked.users_dir))
    if users_dir_fault:
        faults.append(translate("the folder {path} (users_dir) is not writable", path=asked.users_dir))
    if asked.log_file and not (users_dir_fault and str(Path(asked.log_file).parent) == asked.users_dir):
        log = Path(asked.log_file)
        if reason := plain_files.fault_at(log):
            faults.append(LogRefused(path=log, reason=reason).message())
        elif _unusable_log(log):
            faults.append(translate("the log file {path} (log_file) is not writable", path=log))
    for folder in asked.python_path:
        if not os.access(folder, os.R_OK | os.X_OK):
            faults.append(translate("the folder {path} (python_path) cannot be read", path=folder))
    return faults


def _unusable(folder: Path) -> bool:
    """Whether a folder that exists, or one whose way is closed, can't be worked in; one to be made is no fault."""
    try:
        return folder.exists() and not os.access(folder, os.R_OK | os.W_OK | os.X_OK)
    except PermissionError:
        return True


def _unusable_log(log: Path) -> bool:
    try:
        nearest = log if log.exists() else log.parent
        return nearest.exists() and not os.access(nearest, os.W_OK)
    except PermissionError:
        return True


def _import_faults(asked: Question) -> list[str]:
    from importlib import import_module

    faults = []
    for name in asked.needed:
        try:
            import_module(name)
        except (ImportError, OSError) as error:
            faults.append(translate("{module} cannot be imported: {error}", module=name, error=error))
    return faults


def _task_faults(asked: Question) -> list[str]:
    """What the registry says of the task modules; their own output must not mix with ours."""
    from taskserver.errors import TaskServerError

    if not asked.modules and not asked.commands:
        return []
    try:
        from taskserver.config import CommandSettings
        from taskserver.tasks import Registry

        commands = {name: CommandSettings(**fields) for name, fields in asked.commands.items()}
        folders = [Path(part) for part in asked.python_path]
        Registry.load(modules=asked.modules, python_path=folders, commands=commands)
    except TaskServerError as error:
        return error.message().splitlines()
    return []


def main() -> None:
    """Read the question from standard input, print the answer as the last line of standard output."""
    fields: dict[str, Any] = json.load(sys.stdin)
    lists: dict[str, Any] = {key: tuple(value) for key, value in fields.items() if isinstance(value, list)}
    asked = Question(**{**fields, **lists})
    sys.stdout.write("\n" + json.dumps(asdict(answer(asked))) + "\n")


if __name__ == "__main__":
    main()
