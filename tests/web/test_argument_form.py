"""Fields from a JSON schema, and the data that comes back."""

from __future__ import annotations

from datetime import date
from enum import Enum
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskserver.tasks.errors import ArgumentFault, InvalidArguments
from taskserver.tasks.schemas import validate_by_schema
from taskserver.web.argument_form import FURTHER, PREFIX, ArgumentForm


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


def schema_of(function):
    from taskserver.tasks.arguments import FunctionArguments

    return FunctionArguments("t", function).schema()


def everything(
    text: str,
    number: int,
    ratio: float = 0.5,
    day: date | None = None,
    yes: bool = False,
    maybe: bool | None = None,
    colour: Colour = Colour.RED,
    size: Literal["s", "m"] = "s",
    names: list[str] | None = None,
    counts: list[int] = [],  # noqa: B006
    nested: dict[str, Any] | None = None,
    anything: Any = None,
    api_key: str = "",
) -> None: ...


def fields_of(function, known=None):
    return {field.argument: field for field in ArgumentForm("t", schema_of(function), known).fields}


def test_each_type_has_the_field_that_fits():
    fields = fields_of(everything)

    assert {name: field.kind for name, field in fields.items()} == {
        "text": "text",
        "number": "number",
        "ratio": "number",
        "day": "date",
        "yes": "yes_no",
        "maybe": "yes_no",
        "colour": "choice",
        "size": "choice",
        "names": "lines",
        "counts": "lines",
        "nested": "json",
        "anything": "json",
        "api_key": "secret",
    }
    assert [name for name, field in fields.items() if field.required] == ["text", "number"]
    assert fields["colour"].choices == ["red", "blue"]
    assert fields["number"].is_whole
    assert fields["ratio"].value == "0.5"


@pytest.mark.parametrize(
    ("argument", "word", "value"),
    [
        ("text", " kept as it is ", " kept as it is "),
        ("text", "5", "5"),
        ("number", " 5 ", 5),
        ("ratio", "2.5", 2.5),
        ("day", "2026-12-24", "2026-12-24"),
        ("yes", "true", True),
        ("maybe", "false", False),
        ("colour", "blue", "blue"),
        ("names", "a\r\n\r\nb c\r\n", ["a", "b c"]),
        ("counts", "1\n2", [1, 2]),
        ("nested", '{"a": [1]}', {"a": [1]}),
        ("anything", "[1]", [1]),
        ("anything", "word", "word"),
    ],
)
def test_what_is_typed_becomes_the_value(argument, word, value):
    form = ArgumentForm("t", schema_of(everything))
    typed = {PREFIX + "text": "x", PREFIX + "number": "1", PREFIX + argument: word}

    data = form.read(typed)

    assert data[argument] == value
    assert type(data[argument]) is type(value)
    assert validate_by_schema(schema_of(everything), data) == data


def test_what_is_left_empty_is_left_to_the_task():
    form = ArgumentForm("t", schema_of(everything))

    assert form.read({PREFIX + "text": "x", PREFIX + "number": "1"}) == {"text": "x", "number": 1}


def test_a_default_text_can_be_emptied():
    def greet(word: str = "hello") -> None: ...

    assert ArgumentForm("t", schema_of(greet)).read({PREFIX + "word": ""}) == {"word": ""}


def test_a_needed_value_that_may_be_none_is_none():
    def keep(days: int | None) -> None: ...

    form = ArgumentForm("t", schema_of(keep))

    assert form.fields[0].required is False
    assert form.read({PREFIX + "days": ""}) == {"days": None}


def test_a_word_that_fits_no_type_stays_and_is_refused_by_name():
    form = ArgumentForm("t", schema_of(everything))
    data = form.read({PREFIX + "text": "x", PREFIX + "number": "many", PREFIX + "counts": "1\ntwo"})

    with pytest.raises(InvalidArguments) as caught:
        validate_by_schema(schema_of(everything), data)
    form.blame(caught.value.faults)

    at_fault = {field.argument: field.error for field in form.fields if field.error}
    assert set(at_fault) == {"number", "counts"}
    assert {field.argument: field.value for field in form.fields}["number"] == "many"


def test_further_arguments_are_an_object():
    def any_of_them(**rest: int) -> None: ...

    form = ArgumentForm("t", schema_of(any_of_them), {"a": 1})

    assert form.fields[0].argument == FURTHER
    assert '"a": 1' in form.fields[0].value
    assert form.read({FURTHER: '{"b": 2}'}) == {"b": 2}
    with pytest.raises(InvalidArguments) as caught:
        form.read({FURTHER: "[1]"})
    form.blame(caught.value.faults)
    assert "JSON object" in form.fields[0].error


def test_a_command_s_arguments_are_texts():
    schema = {
        "type": "object",
        "properties": {
            "path": {"type": ["string", "number"]},
            "mode": {"type": ["string", "number"], "default": "a"},
        },
        "required": ["path"],
        "additionalProperties": False,
    }
    form = ArgumentForm("ocr", schema)

    assert [field.kind for field in form.fields] == ["text", "text"]
    assert form.read({PREFIX + "path": "007", PREFIX + "mode": "a"}) == {"path": "007", "mode": "a"}


def test_a_fault_nowhere_in_the_form_is_no_trouble():
    ArgumentForm("t", {"properties": {}, "additionalProperties": False}).blame([ArgumentFault("x", "is unknown")])


values = st.fixed_dictionaries(
    {"text": st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1).filter(str.strip)},
    optional={
        "number": st.integers(-(10**9), 10**9),
        "yes": st.booleans(),
        "colour": st.sampled_from(["red", "blue"]),
        "counts": st.lists(st.integers(-100, 100), min_size=1),
        "nested": st.dictionaries(
            st.text(st.characters(exclude_categories=["Cs"])), st.integers() | st.booleans()
        ),
    },
)


@given(values)
def test_what_a_form_shows_comes_back_as_it_was(data):
    schema = schema_of(everything)
    shown = ArgumentForm("t", schema, data)

    back = ArgumentForm("t", schema, data).read({field.name: field.value for field in shown.fields})

    assert {name: back[name] for name in data} == data


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["type", "anyOf", "$ref", "enum", "items", "const", "format", "default"]), inner
            )
        ),
        max_leaves=10,
    ),
    st.text(max_size=10),
)
def test_no_schema_and_no_word_breaks_the_form(schema, word):
    properties = {"x": schema} if isinstance(schema, dict | bool) else {"x": {}}
    form = ArgumentForm("t", {"properties": properties, "additionalProperties": False}, {"x": schema})

    assert [field.argument for field in form.fields] == ["x"]
