from __future__ import annotations

import pytest

from taskserver.config import CommandSettings
from taskserver.tasks import InvalidArguments, InvalidTask
from taskserver.tasks.commands import command_line, command_task
from taskserver.tasks.schemas import validate_by_schema


def a_command(*command: str, **more):
    return command_task("ocr", CommandSettings(command=command, **more))


def test_a_value_fills_one_argument():
    task = a_command(
        "/bin/ocr", "--", "{path}", "-o{path}.txt", "{path}{n}", "{{}}", "{{path}}", env={"LANGUAGE": "{n}"}
    )

    values = task.bind({"path": "a b; rm -rf / $(x) {n}", "n": 3})
    argv, environment = command_line(task.command, values)

    path = "a b; rm -rf / $(x) {n}"
    assert argv == ["/bin/ocr", "--", path, f"-o{path}.txt", f"{path}3", "{}", "{path}"]
    assert environment == {"LANGUAGE": "3"}


def test_the_arguments_are_the_placeholders_of_command_environment_and_title():
    task = a_command("ocr", "{a}", env={"X": "{b}"}, title="OCR {c}", defaults={"b": "1"})

    assert task.schema()["required"] == ["a", "c"]
    assert list(task.schema()["properties"]) == ["a", "b", "c"]
    assert task.bind({"a": "x", "c": 4}) == {"a": "x", "b": "1", "c": "4"}
    assert task.validate({"a": "x", "c": 4}) == {"a": "x", "c": "4"}
    assert task.render_title({"c": "page"}) == "OCR page"
    with pytest.raises(InvalidArguments) as caught:
        task.validate({"b": True, "d": "x", "c": [1]})
    assert {fault.argument for fault in caught.value.faults} == {"a", "b", "c", "d"}


@pytest.mark.parametrize("template", [("{path}",), ("{path}.txt",), ("{empty}{path}",), ("-v", "{path}", "--")])
def test_a_value_that_would_become_an_option_is_refused(template):
    task = a_command("ocr", *template, defaults={"empty": ""} if "{empty}{path}" in template else {})

    with pytest.raises(InvalidArguments, match="must not begin with '-'"):
        task.validate({"path": "-rf"})


@pytest.mark.parametrize("template", [("--", "{path}"), ("-o{path}",), ("x{path}",)])
def test_a_dash_is_fine_where_it_can_be_no_option(template):
    assert a_command("ocr", *template).validate({"path": "-rf"}) == {"path": "-rf"}


@pytest.mark.parametrize("value", ["a\0b", "a\ud800b", float("nan"), None, {}])
def test_what_no_argument_can_hold_is_refused(value):
    with pytest.raises(InvalidArguments, match="path"):
        a_command("ocr", "{path}").validate({"path": value})


def test_the_program_is_never_data():
    with pytest.raises(InvalidTask, match="placeholder"):
        a_command("{program}", "x")


def test_defaults_that_nothing_uses_are_refused():
    with pytest.raises(InvalidTask, match="speed"):
        a_command("ocr", "{path}", defaults={"speed": "1"})


def test_a_command_has_no_at_sign_in_its_name():
    with pytest.raises(InvalidTask, match="without spaces and @"):
        command_task("ocr@home", CommandSettings(command=("ocr",)))


@pytest.mark.parametrize("value", ["-rf", "a\0b"])
def test_the_published_schema_refuses_what_the_command_itself_would(value):
    task = a_command("/bin/echo", "{word}", "{word}.txt")

    with pytest.raises(InvalidArguments) as by_schema:
        validate_by_schema(task.schema(), {"word": value}, task=task.name)
    with pytest.raises(InvalidArguments) as by_task:
        task.validate({"word": value})

    assert str(by_schema.value) == str(by_task.value)


def test_the_published_schema_takes_a_dash_where_it_can_be_no_option():
    task = a_command("/bin/echo", "--", "{word}", title="{other}")

    data = {"word": "-rf", "other": "-"}
    assert validate_by_schema(task.schema(), data) == data
