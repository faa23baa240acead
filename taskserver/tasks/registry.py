"""The tasks that this process can run or describe: those of the configured modules and commands.

Loaded at start and at reload by the server, and by the control program where it needs a task's arguments.
Loading reports every fault at once. It refuses to know what is done with a task.
"""

from __future__ import annotations

import importlib
import inspect
import sys
import traceback
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from taskserver.errors import TaskServerError
from taskserver.tasks.commands import command_task
from taskserver.tasks.definition import Task
from taskserver.tasks.errors import LoadFault, TasksNotLoaded, UnknownTask
from taskserver.texts import translate

if TYPE_CHECKING:
    from taskserver.config import CommandSettings

SAMPLES = "taskserver.tasks.samples"


class Registry:
    """Tasks by name. Immutable once made."""

    def __init__(self, tasks: Iterable[Task] = ()) -> None:
        self._tasks = {task.name: task for task in tasks}

    @classmethod
    def load(
        cls,
        *,
        modules: Iterable[str] = (),
        python_path: Iterable[Path] = (),
        commands: Mapping[str, CommandSettings] | None = None,
    ) -> Registry:
        """Import the modules and add the commands and the sample task.

        The folders of `python_path` stay in sys.path, first, as PYTHONPATH would have them. Raises
        TasksNotLoaded, which names every module and every task at fault.
        """
        _extend_path(python_path)
        loading = _Loading()
        for name in dict.fromkeys([SAMPLES, *modules]):
            loading.add_module(name)
        for name, settings in (commands or {}).items():
            loading.add_command(name, settings)
        if loading.faults:
            raise TasksNotLoaded(loading.faults)
        return cls(loading.tasks.values())

    def get(self, name: str) -> Task:
        """Raises UnknownTask, with the nearest name."""
        try:
            return self._tasks[name]
        except KeyError:
            raise UnknownTask(name, self._tasks) from None

    def names(self) -> list[str]:
        return sorted(self._tasks)

    def __contains__(self, name: object) -> bool:
        return name in self._tasks

    def __iter__(self) -> Iterator[Task]:
        return (self._tasks[name] for name in self.names())

    def __len__(self) -> int:
        return len(self._tasks)


class _Loading:
    """The tasks found so far, and what went wrong."""

    def __init__(self) -> None:
        self.tasks: dict[str, Task] = {}
        self.faults: list[LoadFault] = []

    def add_module(self, name: str) -> None:
        try:
            module = importlib.import_module(name)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a foreign module may raise anything
            self.faults.append(_import_fault(name, error))
            return
        for task in _tasks_in(module):
            self._add(task, source=name)

    def add_command(self, name: str, settings: CommandSettings) -> None:
        try:
            self._add(command_task(name, settings), source=f"[tasks.{name}]")
        except TaskServerError as error:
            self.faults.append(LoadFault(f"[tasks.{name}]", error.message()))

    def _add(self, task: Task, *, source: str) -> None:
        known = self.tasks.setdefault(task.name, task)
        if known is not task:
            text = translate(
                "task {task!r} is declared twice, at {first} and at {second}: rename one",
                task=task.name,
                first=known.place,
                second=task.place,
            )
            self.faults.append(LoadFault(source, text))
            return
        try:
            task.schema()
        except TaskServerError as error:
            self.faults.append(LoadFault(source, error.message(), task.place))


def _tasks_in(module: ModuleType) -> Iterator[Task]:
    for value in list(vars(module).values()):
        described = vars(value).get("__task__") if inspect.isfunction(value) else None
        if isinstance(described, Task):
            yield described


def _extend_path(folders: Iterable[Path]) -> None:
    wanted = [str(folder) for folder in folders]
    sys.path[:0] = [folder for folder in dict.fromkeys(wanted) if folder not in sys.path]
    importlib.invalidate_caches()


def _import_fault(name: str, error: BaseException) -> LoadFault:
    if isinstance(error, ModuleNotFoundError) and error.name and f"{name}.".startswith(f"{error.name}."):
        text = translate("there is no such module; is its folder in python_path?")
        return LoadFault(name, text if error.name == name else f"{text} ({error})")
    if isinstance(error, SystemExit):
        text = translate("the module ends the program when it is imported (sys.exit)")
        return LoadFault(name, text, _place(error))
    if isinstance(error, TaskServerError):
        return LoadFault(name, error.message(), _place(error))
    if isinstance(error, SyntaxError):
        return LoadFault(name, f"{type(error).__name__}: {error.msg}", f"{error.filename}:{error.lineno}")
    last_line = traceback.format_exception_only(error)[-1].strip()
    return LoadFault(name, last_line, _place(error))


def _place(error: BaseException) -> str:
    """`file:line` of the innermost frame in a file that belongs to neither the import system nor this package."""
    own = str(Path(__file__).parent)
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith((own, "<")) and "importlib" not in Path(frame.filename).parts
    ]
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else ""
