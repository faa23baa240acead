"""Kills the daemon with SIGKILL at a given moment of a task of the invoices example.

Loaded by the daemon of a test as one of its modules; the example itself knows nothing of it. A file
`deaths/TASK-MONTH` beside it names the moment of one job: a function, `call` or `return`, and how many of these
come first. It is removed before the process dies, so that the job dies of it once.
"""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path
from types import FrameType
from typing import Any

HERE = Path(__file__).resolve().parent
TASKS = str(HERE / "invoicing" / "tasks.py")


class _Fate(threading.local):
    file: Path | None = None
    function = ""
    event = ""
    earlier = 0


_fate = _Fate()


def _trace(frame: FrameType, event: str, argument: Any) -> Any:
    code = frame.f_code
    if not code.co_filename.startswith(f"{HERE}/invoicing/"):
        return None
    if code.co_filename == TASKS and code.co_name in ("create", "book"):
        _read_fate(HERE / "deaths" / f"{code.co_name}-{frame.f_locals['month']}")
    if _fate.file is None or code.co_name != _fate.function:
        return None
    if _fate.event == "call":
        _count()
    return _wait_for_return


def _wait_for_return(frame: FrameType, event: str, argument: Any) -> Any:
    if event == "return" and _fate.event == "return":
        _count()
    return _wait_for_return


def _read_fate(file: Path) -> None:
    _fate.file = None
    if file.exists():
        _fate.file = file
        _fate.function, _fate.event, earlier = file.read_text().split()
        _fate.earlier = int(earlier)


def _count() -> None:
    if _fate.earlier == 0 and _fate.file is not None:
        _fate.file.unlink()
        os.kill(os.getpid(), signal.SIGKILL)
    _fate.earlier -= 1


threading.settrace(_trace)
