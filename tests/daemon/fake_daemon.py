"""A real daemon around a small service, for the tests: `fake_daemon.py start|run FOLDER`.

FOLDER/settings.json says how the service behaves; what it is told is appended to FOLDER/events.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

from taskserver.daemon import detach, folders, foreground, identity
from taskserver.errors import NotConfigured, TaskServerError


class NeedsUpgrade(TaskServerError):
    text = "the database is too old"
    exit_code = 154


class FakeSettings(SimpleNamespace):
    """The part of the real ones that the daemon asks for."""

    def model_copy(self, update):
        return FakeSettings(**{**self.__dict__, **update})


def read_settings(folder: Path) -> FakeSettings:
    try:
        given = json.loads((folder / "settings.json").read_text())
    except ValueError:
        raise BrokenSettings() from None
    return FakeSettings(
        users_dir=folder / "users",
        log_file=folder / "users" / "taskserver.log",
        log_format=given.get("log_format", "text"),
        debug=given.get("debug", False),
        node_id="fake",
        run_as=given.get("run_as"),
        allow_root=True,
        database_wait=timedelta(seconds=given.get("database_wait", 60)),
        drain_timeout=timedelta(seconds=given.get("drain_timeout", 30)),
        console=SimpleNamespace(enabled=False),
        mode=given.get("mode", "idle"),
        max_parallel=given.get("max_parallel", 2),
    )


class BrokenSettings(NotConfigured):
    text = "settings.json: not JSON"


class FakeService:
    """Behaves as `mode` says: idle, busy, stubborn, stuck, restless,
    waiting, old-schema, crash, vanish, breaks."""

    def __init__(self, folder: Path, settings: FakeSettings) -> None:
        self.failure: BaseException | None = None
        self._folder = folder
        self._settings = settings
        self._ended = threading.Event()
        self._state, self._waiting, self._draining = "running", 3, False
        self._abandoned = threading.Event()

    def start(self, waiting, changed, beat_seconds) -> None:
        self._event("start")
        self._changed = changed
        mode = self._settings.mode
        if mode == "old-schema":
            raise NeedsUpgrade()
        if mode == "crash":
            raise RuntimeError("a bug")
        if mode == "vanish":
            os._exit(9)
        if mode.startswith("waiting"):
            self._state = "waiting for database"
            waiting("the database is not there yet")
            self._until_released()
            self._state = "running"
            if self._abandoned.is_set():
                raise InterruptedError("abandoned")
        if mode == "restless":
            threading.Thread(target=self._change_again_and_again, daemon=True).start()
        if mode == "breaks":
            threading.Thread(target=self._break, daemon=True).start()

    def wake(self) -> None:
        self._event("wake")

    def status(self):
        state = "draining" if self._draining else self._state
        known = {
            "node_id": "fake",
            "boot_id": "b1",
            "state": state,
            "busy": 1,
            "free": 1,
            "slots": 2,
            "waiting": 3,
        }
        return known | {"waiting": self._waiting}

    def reload(self, settings) -> list[str]:
        self._event(f"reload {settings.max_parallel}")
        changed = settings.mode != self._settings.mode
        self._settings = settings
        return ["mode"] if changed else []

    def drain(self, timeout=None) -> None:
        self._event(f"drain {timeout:g}")
        self._draining = True
        if self._settings.mode == "busy":
            threading.Thread(target=self._drain, daemon=True).start()
        elif self._settings.mode != "stubborn":
            self._ended.set()

    def abandon(self) -> None:
        self._event("abandon")
        self._abandoned.set()
        if self._settings.mode != "stubborn":
            self._ended.set()
        else:
            threading.Event().wait()  # the main thread itself hangs: only SIGKILL helps

    def alive_at(self) -> float:
        return 1.0 if self._settings.mode == "stuck" else time.monotonic()

    def wait(self, timeout: float) -> bool:
        return self._ended.wait(timeout)

    def run_job(self, job_id: int) -> tuple[int, int]:
        self._event(f"run_job {job_id}")
        return job_id, 150

    def _drain(self) -> None:
        self._until_released()
        self._ended.set()

    def _change_again_and_again(self) -> None:
        while not self._ended.wait(0.001):
            self._waiting += 1
            self._changed()

    def _break(self) -> None:
        self._until_released()
        self.failure = NeedsUpgrade()
        self._ended.set()

    def _until_released(self) -> None:
        while not (self._folder / "released").exists() and not self._abandoned.wait(0.02):
            pass

    def _event(self, text: str) -> None:
        with (self._folder / "events").open("a") as events:
            events.write(text + "\n")


def main() -> int:
    verb, folder = sys.argv[1], Path(sys.argv[2])
    settings = read_settings(folder)
    who = identity.resolve(settings.run_as, allow_root=True)
    folders.prepare(who, users_dir=settings.users_dir, log_file=settings.log_file)
    launch = detach.Launch(
        settings=settings,
        installation=folder,
        identity=who,
        make_service=lambda settings, log: FakeService(folder, settings),
        read_settings=lambda: read_settings(folder),
    )
    try:
        if verb == "run":
            return foreground.run(launch, stop_when_ready="expect-stop" in sys.argv)
        started = detach.start(launch, lambda text: print(text, file=sys.stderr, flush=True))
    except TaskServerError as error:
        print(error.message(), file=sys.stderr)
        return error.exit_code
    print(json.dumps({"pid": started.pid, "fresh": started.fresh, "ready": started.ready}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
