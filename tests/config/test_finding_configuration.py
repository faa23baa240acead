"""Which file counts, and the quick look that imports nothing heavy."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from taskserver.config import ConfigurationMissing, find_config_file, peek
from taskserver.errors import EXIT_NOT_CONFIGURED

Write = Callable[..., Path]


@pytest.fixture
def places(tmp_path: Path) -> dict[str, Path]:
    files = {
        name: tmp_path / name / "taskserver.toml"
        for name in ("explicit", "variable", "installation/etc", "system")
    }
    for file in files.values():
        file.parent.mkdir(parents=True)
        file.write_text("[task_server]\n")
    return files


def find(places: dict[str, Path], explicit: str | Path | None = None, **environment: str) -> Path:
    return find_config_file(
        explicit,
        installation=places["installation/etc"].parents[1],
        environment=environment,
        system_file=places["system"],
    )


def test_the_order_is_option_variable_installation_system(places: dict[str, Path]) -> None:
    variable = {"TASKSERVER_CONFIG": str(places["variable"])}

    assert find(places, places["explicit"], **variable) == places["explicit"]
    assert find(places, **variable) == places["variable"]
    assert find(places, TASKSERVER_CONFIG="") == places["installation/etc"]
    places["installation/etc"].unlink()
    assert find(places) == places["system"]


def test_a_relative_option_is_seen_from_the_working_directory(
    places: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(places["explicit"].parent)

    assert find(places, "taskserver.toml") == places["explicit"]


def test_what_was_looked_for_is_named(places: dict[str, Path], tmp_path: Path) -> None:
    places["installation/etc"].unlink()
    places["system"].unlink()

    with pytest.raises(ConfigurationMissing) as caught:
        find(places)
    with pytest.raises(ConfigurationMissing, match=r"none\.toml \(-c\)"):
        find(places, "none.toml")
    with pytest.raises(ConfigurationMissing, match=r"\(\$TASKSERVER_CONFIG\)"):
        find(places, TASKSERVER_CONFIG="none.toml")

    assert caught.value.exit_code == EXIT_NOT_CONFIGURED
    assert str(places["installation/etc"]) in caught.value.message()
    assert str(places["system"]) in caught.value.message()


@pytest.mark.parametrize("name", ["a.toml", "a.ini"])
def test_peek_sees_the_two_keys(write: Write, tmp_path: Path, name: str) -> None:
    quote = '"' if name == "a.toml" else ""
    path = write(name, f"[task_server]\nusers_dir = {quote}run{quote}\nrun_as = {quote}www-data{quote}\n")

    seen = peek(path, installation=tmp_path / "there")

    assert (seen.users_dir, seen.run_as, seen.faults) == (tmp_path / "there/run", "www-data", None)


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.toml", "["), ("a.toml", ""), ("a.toml", "task_server = 1"), ("a.toml", "[task_server]\nusers_dir = 5\n"),
     ("a.toml", b"\xff"), ("a.toml", "x = " + "[" * 9999), ("a.ini", ""),
     ("a.ini", "[task_server]\nusers_dir = ~x\n")],
)  # fmt: skip
def test_peek_falls_back_to_the_default_folder_and_says_so(
    write: Write, tmp_path: Path, name: str, content: str
) -> None:
    seen = peek(write(name, content))

    assert seen.users_dir == tmp_path / "users"
    assert seen.faults is not None
    assert str(tmp_path / name) in seen.faults
    assert f"default users directory {tmp_path / 'users'}" in seen.faults


def test_peek_of_no_file_says_so(tmp_path: Path) -> None:
    assert "no such file" in (peek(tmp_path / "none.toml").faults or "")


def test_a_quick_look_imports_nothing_heavy(write: Write) -> None:
    path = write("a.ini", "[task_server]\n")
    program = f"""
import sys
from pathlib import Path
from taskserver.config import find_config_file, peek
peek(find_config_file({str(path)!r}, installation=Path("/"), environment={{}}))
heavy = ("pydantic", "pydantic_core", "sqlalchemy", "tomli_w", "rich", "click")
print([name for name in heavy if name in sys.modules])
"""

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout == "[]\n"
