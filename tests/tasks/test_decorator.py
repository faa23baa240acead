from __future__ import annotations

import subprocess
import sys
from datetime import timedelta

import pytest

import taskserver.tasks as tasks_module
from taskserver.jobs import OnCrash
from taskserver.tasks import Context, InvalidTask, task


def test_a_task_stays_a_function_and_carries_its_description():
    @task("invoices.create", title="Invoices {month}", timeout=600, max_parallel=1, on_crash="fail")
    def create(ctx: Context, month: str) -> str:
        """Make them.

        More."""
        return month

    assert create(None, "2026-11") == "2026-11"
    described = create.__task__
    assert described.name == "invoices.create"
    assert described.timeout == timedelta(minutes=10)
    assert described.on_crash is OnCrash.FAIL
    assert described.description == "Make them."
    assert described.takes_context


def test_the_context_is_known_by_annotation_or_by_name():
    def annotated(anything: Context): ...

    def qualified(anything: tasks_module.Context): ...

    def bare(ctx): ...

    def other(ctx: int): ...

    def none(month): ...

    takes = [task("t")(f).__task__.takes_context for f in (annotated, qualified, bare, other, none)]

    assert takes == [True, True, True, False, False]


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ("def f(a, /): ...", "positional only"),
        ("def f(*a): ...", "by name"),
        ("def f(): yield", "generator"),
        ("async def f(): yield", "generator"),
        ("class f: ...", "before a function"),
    ],
)
def test_what_can_not_be_called_by_name_is_refused(source, complaint):
    names = {}
    exec(source, names)

    with pytest.raises(InvalidTask, match=complaint):
        task("t")(names["f"])


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_parallel": 0},
        {"max_attempts": 0},
        {"max_attempts": True},
        {"timeout": 0},
        {"timeout": "soon"},
        {"retry_delay": -1},
        {"on_crash": "explode"},
        {"max_crashes": -1},
    ],
)
def test_limits_out_of_range_are_refused_with_their_name(wrong):
    with pytest.raises(InvalidTask, match=next(iter(wrong))):

        @task("t", **wrong)
        def f(): ...


@pytest.mark.parametrize("name", ["", "two words", "a\nb", "x" * 201, 7, "ocr@home"])
def test_a_name_is_one_word(name):
    with pytest.raises(InvalidTask, match="name"):

        @task(name)
        def f(): ...


def test_a_forgotten_name_is_pointed_out():
    with pytest.raises(InvalidTask, match=r"@task\('name'\)"):

        @task
        def f(): ...


def test_titles_are_filled_in_without_format_tricks():
    @task("t", title="{month} {missing} {copies} {month.__class__} {month[0]} {month!r} {{month}} {")
    def f(month, copies: int = 2): ...

    title = f.__task__.render_title({"month": "{copies}\n2026"})

    assert title == "{copies} 2026 {missing} 2 {month.__class__} {month[0]} {month!r} {month} {"
    assert len(f.__task__.render_title({"month": "x" * 10_000})) == 500


def test_importing_tasks_imports_nothing_heavy():
    program = "import sys, taskserver.tasks as t; t.task, t.Context, t.Stopped; print(*sys.modules)"

    loaded = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout.split()

    assert not {"pydantic", "sqlalchemy", "jsonschema", "asyncio"} & set(loaded)


def test_no_secret_stands_in_a_title():
    @task("send", title="To {address} with {password}")
    def f(ctx: Context, address: str, password: str = "opensesame") -> None:
        pass

    assert f.__task__.render_title({"address": "ftp://anna:hunter2@host"}) == "To ftp://anna:***@host with ***"
    assert f.__task__.render_title({"address": "x", "password": "hunter2"}) == "To x with ***"
