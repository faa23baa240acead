"""The commented file in etc/ and the JSON schema know every key and tell the truth about it."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from taskserver.config import CommandSettings, ConsoleSettings, NotifyOnFailure, effective, example, load, schema
from taskserver.config.models import MemoryLimits, ServerSettings, kinds

SHIPPED = Path(__file__).parents[2] / "etc" / "taskserver.toml"
MACHINES = ("node_id", "max_parallel", "time_zone")


def uncommented() -> str:
    return re.sub(r"^# (?=\w+ = |\[)", "", SHIPPED.read_text(), flags=re.MULTILINE)


def test_the_shipped_file_is_the_one_that_the_keys_make() -> None:
    assert SHIPPED.read_text() == example()


def test_the_shipped_file_runs_as_it_is(tmp_path: Path) -> None:
    settings = load(SHIPPED, installation=tmp_path)

    assert settings.users_dir == tmp_path / "users"
    assert tomllib.loads(SHIPPED.read_text()) == {"task_server": {}}


@pytest.mark.parametrize(
    "model", [ServerSettings, ConsoleSettings, NotifyOnFailure, MemoryLimits, CommandSettings]
)
def test_every_key_has_an_explanation_and_a_line(model: type[ServerSettings]) -> None:
    for name in kinds(model):
        assert model.model_fields[name].description
        assert re.search(rf"^# .+\n# {name} = ", SHIPPED.read_text(), re.MULTILINE)


def test_the_defaults_shown_are_the_real_ones(write: Callable[..., Path], tmp_path: Path) -> None:
    plain = "[task_server]\n[tasks.ocr]\ncommand = ['/usr/local/bin/ocr', '--', '{path}']\n"

    shown = effective(load(write("shown.toml", uncommented())))
    real = effective(load(write("real.toml", plain)))

    for name in MACHINES:
        assert shown["task_server"].pop(name)
        assert real["task_server"].pop(name)
    assert shown == real


def test_the_schema_takes_the_shipped_file_and_refuses_unknown_keys() -> None:
    validator = jsonschema.Draft202012Validator(schema())
    validator.check_schema(schema())

    validator.validate(tomllib.loads(uncommented()))
    validator.validate({"task_server": {"database_wait": "90s", "keep_failed_count": "none"}})

    broken: dict[str, Any]
    for broken in (
        {},
        {"task_server": {"x": 1}},
        {"task_server": {"max_parallel": 0}},
        {"task_server": {}, "x": {}},
    ):
        assert not validator.is_valid(broken)


def test_the_schema_describes_every_key() -> None:
    properties = schema()["properties"]

    assert set(kinds(ServerSettings)) < set(properties["task_server"]["properties"])
    assert all("description" in key for key in properties["task_server"]["properties"].values())
    assert properties["tasks"]["additionalProperties"]["required"] == ["command"]
