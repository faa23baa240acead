from __future__ import annotations

import pytest

from taskserver.config import CommandSettings
from taskserver.tasks import Registry, TasksNotLoaded, UnknownTask

TASK = "from taskserver import task\n\n@task({name!r})\ndef work(): ...\n"


def test_tasks_of_modules_and_commands_are_found_beside_the_sample(a_module, tmp_path):
    module = a_module(TASK.format(name="mine"))

    registry = Registry.load(
        modules=[module], python_path=[tmp_path], commands={"ocr": CommandSettings(command=("ocr", "{path}"))}
    )

    assert registry.names() == ["mine", "ocr", "sample"]
    assert registry.get("ocr").command.command == ("ocr", "{path}")
    assert "mine" in registry and len(list(registry)) == 3


def test_an_unknown_name_gets_the_nearest():
    with pytest.raises(UnknownTask, match="did you mean 'sample'") as caught:
        Registry.load().get("smaple")
    assert caught.value.exit_code == 153


def test_every_module_that_fails_is_reported_with_its_place(a_module, tmp_path):
    divides = a_module("import os\n\n1 / 0\n")
    exits = a_module("raise SystemExit(3)\n")
    broken = a_module("def f(:\n")
    needs = a_module("import no_such_thing_at_all\n")
    bad_task = a_module("from taskserver import task\n@task('bad')\ndef f(*a): ...\n")
    bad_type = a_module("from taskserver import task\n@task('bad2')\ndef f(a: 'Nowhere'): ...\n")

    with pytest.raises(TasksNotLoaded) as caught:
        Registry.load(
            modules=["no.such.module", divides, exits, broken, needs, bad_task, bad_type],
            python_path=[tmp_path],
            commands={"empty": CommandSettings(command=("{x}",))},
        )

    faults = {fault.source: fault for fault in caught.value.faults}
    assert "no such module" in faults["no.such.module"].text
    assert "division by zero" in faults[divides].text
    assert faults[divides].place == f"{tmp_path}/{divides}.py:3"
    assert "sys.exit" in faults[exits].text
    assert "SyntaxError" in faults[broken].text and faults[broken].place.endswith(".py:1")
    assert "no_such_thing_at_all" in faults[needs].text
    assert "*a" in faults[bad_task].text
    assert "Nowhere" in faults[bad_type].text
    assert "placeholder" in faults["[tasks.empty]"].text
    assert caught.value.message().startswith("tasks can't be loaded:\n")
    assert caught.value.exit_code == 6
    assert all(source in caught.value.message() for source in faults)


def test_a_bad_name_is_reported_with_the_line_of_the_module(a_module, tmp_path):
    module = a_module("from taskserver import task\n\n@task('not a name')\ndef f(): ...\n")

    with pytest.raises(TasksNotLoaded) as caught:
        Registry.load(modules=[module], python_path=[tmp_path])

    assert caught.value.faults[0].place == f"{tmp_path}/{module}.py:3"
    assert caught.value.message().startswith(f"tasks can't be loaded: {module}: ")


def test_a_name_declared_twice_is_reported_with_both_places(a_module, tmp_path):
    first, second = a_module(TASK.format(name="mine")), a_module(TASK.format(name="mine"))
    third = a_module(f"from {first} import work")

    with pytest.raises(TasksNotLoaded) as caught:
        Registry.load(modules=[first, second, third], python_path=[tmp_path])

    (fault,) = caught.value.faults
    assert f"{first}.py:3" in fault.text and f"{second}.py:3" in fault.text
