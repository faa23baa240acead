from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import AfterValidator, BaseModel, Field

from taskserver.tasks import (
    Context,
    InvalidArguments,
    InvalidTask,
    Task,
    coerce_by_schema,
    task,
    validate_by_schema,
)


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


@dataclass
class Page:
    number: int


class Customer(BaseModel):
    name: str
    page: Page | None = None


def described(function: Any) -> Task:
    return task("t")(function).__task__


def faults_of(task: Task, data: Any) -> dict[str, str]:
    with pytest.raises(InvalidArguments) as caught:
        task.validate(data)
    return {fault.argument: fault.message() for fault in caught.value.faults}


def test_every_fault_is_named_with_a_sentence():
    def work(ctx: Context, month: str, copies: int, day: date, colour: Colour = Colour.RED) -> None: ...

    faults = faults_of(described(work), {"copies": "5", "day": "yesterday", "colour": "green", "mnth": "x"})

    assert faults["month"] == "month: is missing"
    assert "did you mean 'month'" in faults["mnth"]
    assert "whole number, not '5'" in faults["copies"]
    assert "a date like 2026-11-22" in faults["day"]
    assert "must be one of 'red' or 'blue'" in faults["colour"]


@pytest.mark.parametrize(
    ("annotation", "value", "stored"),
    [
        (date, date(2026, 11, 22), "2026-11-22"),
        (Path, Path("/scans/4711"), "/scans/4711"),
        (Colour, Colour.BLUE, "blue"),
        (Page, Page(3), {"number": 3}),
        (Customer, Customer(name="acme", page=Page(3)), {"name": "acme", "page": {"number": 3}}),
        (list[Page], [Page(1), Page(2)], [{"number": 1}, {"number": 2}]),
        (Decimal, Decimal("1.50"), "1.50"),
        (timedelta, timedelta(minutes=1), "PT1M"),
        (int | None, None, None),
        (Literal["a", "b"], "b", "b"),
    ],
)
def test_rich_values_are_stored_as_json_and_bound_again(annotation, value, stored):
    def work(thing): ...

    work.__annotations__["thing"] = annotation
    work_task = described(work)

    assert work_task.validate({"thing": value}) == {"thing": stored}
    assert work_task.validate({"thing": stored}) == {"thing": stored}
    assert work_task.bind({"thing": stored}) == {"thing": value}


def test_the_words_of_a_command_line_become_the_annotated_types():
    def work(n: int, f: float, flag: bool, day: date, pages: list[int], text: str, either: int | None, free): ...

    words = {
        "n": "5",
        "f": "2.5",
        "flag": "yes",
        "day": "2026-11-22",
        "pages": "[1, 2]",
        "text": "7",
        "either": "null",
        "free": "8",
    }
    data = described(work).coerce(words)

    assert data == words | {"n": 5, "f": 2.5, "flag": True, "pages": [1, 2], "either": None}
    assert described(work).validate(data) == data


def test_a_word_that_fits_nothing_is_refused_by_validation():
    def work(n: int): ...

    assert described(work).coerce({"n": "five", "m": "1"}) == {"n": "five", "m": "1"}
    assert set(faults_of(described(work), {"n": "five", "m": "1"})) == {"n", "m"}


def test_numbers_that_json_lacks_are_refused():
    def work(f: float, anything=None): ...

    assert set(faults_of(described(work), {"f": float("nan")})) == {"f"}
    assert set(faults_of(described(work), {"f": 1.0, "anything": [float("inf")]})) == {"anything"}
    assert set(faults_of(described(work), {"f": 1.0, "anything": object()})) == {"anything"}


@pytest.mark.parametrize("data", [None, [1], "x", 4])
def test_arguments_that_are_no_object_are_refused(data):
    def work(): ...

    assert "one JSON object" in faults_of(described(work), data)[""]


def test_double_star_accepts_anything_of_its_type():
    def work(ctx, first: int, **rest: int): ...

    work_task = described(work)

    assert work_task.bind({"first": 1, "second": 2}) == {"first": 1, "second": 2}
    assert "third" in faults_of(work_task, {"first": 1, "third": "x"})
    assert work_task.schema()["additionalProperties"] == {"type": "integer"}


def test_constraints_of_annotations_are_kept_and_published():
    def work(n: Annotated[int, Field(ge=1)] = 3): ...

    schema = described(work).schema()

    assert schema["properties"]["n"] == {"type": "integer", "minimum": 1, "default": 3}
    assert "greater than or equal to 1" in faults_of(described(work), {"n": 0})["n"]


def test_an_annotation_that_can_not_be_used_is_an_invalid_task():
    def unknown(n: Nowhere): ...  # noqa: F821

    def no_json(n: Callable[[], int]): ...

    with pytest.raises(InvalidTask, match="argument n can't be used"):
        described(unknown).schema()
    with pytest.raises(InvalidTask, match="no JSON schema"):
        described(no_json).schema()


def test_a_published_schema_finds_the_same_faults():
    def work(month: str, copies: int, page: Page, colour: Colour = Colour.RED): ...

    schema = described(work).schema()
    with pytest.raises(InvalidArguments) as caught:
        validate_by_schema(
            schema, {"copies": "5", "page": {"number": "x"}, "colour": "green", "mnth": 1}, task="t"
        )

    faults = {fault.argument: fault.message() for fault in caught.value.faults}
    assert faults["month"] == "month: is missing"
    assert "did you mean 'month'" in faults["mnth"]
    assert "whole number, not '5'" in faults["copies"]
    assert "whole number" in faults["page.number"]
    assert "colour" in faults
    good = {"month": "2026-11", "copies": 5, "page": {"number": 1}}
    assert validate_by_schema(schema, good) == good


def test_a_published_argument_that_may_be_left_out_is_refused_for_what_is_wrong_with_it():
    def work(month: Annotated[str, Field(pattern=r"^\d{4}-\d\d$")] | None = None, copies: int | None = None): ...

    schema = described(work).schema()
    with pytest.raises(InvalidArguments) as caught:
        validate_by_schema(schema, {"month": "November", "copies": "two"}, task="t")

    faults = {fault.argument: fault.message() for fault in caught.value.faults}
    assert "does not match" in faults["month"]
    assert "whole number, not 'two'" in faults["copies"]


def test_words_are_turned_by_a_published_schema_too():
    def work(n: int, f: float, flag: bool, day: date, pages: list[Page], text: str, either: int | None): ...

    words = {"n": "5", "f": "2.5", "flag": "yes", "day": "2026-11-22", "pages": '[{"number": 1}]', "text": "7"}
    data = coerce_by_schema(described(work).schema(), words | {"either": "3", "odd": "1"})

    assert data == words | {"n": 5, "f": 2.5, "flag": True, "pages": [{"number": 1}], "either": 3, "odd": "1"}


def test_of_a_list_on_the_command_line_the_wrong_item_is_named():
    def work(items: list[int], where: dict[str, int]): ...

    known = Task("work", function=work)
    words = {"items": '[1, "x"]', "where": '{"a": []}'}

    with pytest.raises(InvalidArguments) as by_annotation:
        known.validate(known.coerce(words))
    schema = known.schema()
    with pytest.raises(InvalidArguments) as by_schema:
        validate_by_schema(schema, coerce_by_schema(schema, words), task="work")

    for caught in (by_annotation, by_schema):
        assert "items[1]: must be a whole number, not 'x'" in str(caught.value)
        assert "where.a: must be a whole number, not []" in str(caught.value)


SECRETIVE = {
    "type": "object",
    "properties": {
        "pin": {"type": "integer"},
        "password": {"type": "string", "minLength": 30, "pattern": "^x"},
        "mail": {"oneOf": [{"type": "integer"}, {"type": "array"}]},
        "api_keys": {"type": "array", "items": {"type": "integer"}},
        "mode": {"enum": ["a", "b"]},
    },
}


@pytest.mark.parametrize(
    "data",
    [
        {"pin": "hunter2"},
        {"password": "hunter2"},
        {"mail": {"user": "anna", "password": "hunter2"}},
        {"api_keys": ["hunter2"]},
        {"mode": {"token": "hunter2"}},
    ],
)
def test_what_is_wrong_with_a_secret_is_told_without_it(data):
    """The sentence becomes the error of the job, which those see who are shown the data as ***."""
    (fault,) = faults_by_schema(SECRETIVE, data)

    assert "hunter2" not in fault
    assert fault.startswith(next(iter(data)))


def weak(value: str) -> str:
    raise ValueError(f"{value} is too weak")


@dataclass
class Login:
    password: int


def test_pydantic_tells_no_secret_either():
    def work(ctx: Context, pin: int, token: Annotated[str, AfterValidator(weak)], login: Login, page: int) -> None:
        pass

    wrong = {"pin": "hunter2", "token": "hunter2", "login": {"password": "hunter2"}, "page": "first"}
    faults = faults_of(described(work), wrong)

    assert "hunter2" not in str(faults)
    assert len(faults) == 4
    assert "not 'first'" in faults["page"]


def faults_by_schema(schema: dict[str, Any], data: Any) -> list[str]:
    with pytest.raises(InvalidArguments) as caught:
        validate_by_schema(schema, data)
    return [fault.message() for fault in caught.value.faults]
