"""`install` and `uninstall` called in this process, below a prefix that stands for the root of another system."""

from __future__ import annotations

import io
import json
import stat
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from taskserver.cli import main

USER = "taskserver-of-the-tests"
"""A user whom no machine has."""


@dataclass(frozen=True)
class Result:
    """What one call of the control program left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def steps(self) -> list[str]:
        """The lines but those that tell what is left to do."""
        return [line for line in self.out.splitlines() if not line.startswith("left to do:")]


class Host:
    """A system below a prefix, and a configuration for it."""

    def __init__(self, folder: Path) -> None:
        self.prefix = folder / "host"
        self.prefix.mkdir()
        self.config = folder / "taskserver.toml"
        self.users_dir = "/srv/task server/users"
        self.configure()

    def configure(self, *lines: str) -> None:
        text = ["# ours", "[task_server]", f'users_dir = "{self.users_dir}"', *lines]
        self.config.write_text("\n".join(text) + "\n")

    def use_another_configuration(self) -> None:
        self.users_dir = "/srv/erp/users"
        self.configure()

    def __call__(self, *arguments: str, config: Path | None = None) -> Result:
        return call("-c", str(config or self.config), *arguments, "--prefix", str(self.prefix))

    def install(self, *arguments: str, code: int = 0) -> Result:
        result = self("install", "--run-as", USER, *arguments)
        assert result.code == code, result
        return result

    def uninstall(self, *arguments: str, code: int = 0) -> Result:
        result = self("uninstall", *arguments)
        assert result.code == code, result
        return result

    def path(self, name: str) -> Path:
        return self.prefix / name.lstrip("/")

    def read(self, name: str) -> str:
        return self.path(name).read_text()

    def tree(self) -> dict[str, str]:
        """Everything there: each name with its mode, and what a link points to or a file holds."""
        found = {}
        for path in sorted(self.prefix.rglob("*")):
            mode = stat.filemode(path.lstat().st_mode)
            what = path.readlink() if path.is_symlink() else path.read_text() if path.is_file() else ""
            found[str(path.relative_to(self.prefix))] = f"{mode} {what}"
        return found


def call(*arguments: str) -> Result:
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = main(list(arguments))
    return Result(code, out.getvalue(), err.getvalue())
