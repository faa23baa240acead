"""Forms for a task's arguments: which field each argument gets, and that what it shows is what it sends."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskserver.tasks.arguments import FunctionArguments
from taskserver.tasks.errors import InvalidArguments
from taskserver.tasks.schemas import validate_by_schema
from taskserver.texts import use_language
from taskserver.web.argument_forms import Fields, fields_as_posted, fields_of, read
from taskserver.web.moments import use_zone
from taskserver.web.templating import environment


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


def everything(
    text: str,
    count: int,
    share: float = 1.5,
    urgent: bool = False,
    sure: bool | None = None,
    names: list[str] | None = None,
    numbers: list[int] | None = None,
    day: date | None = None,
    at: datetime | None = None,
    folder: Path = Path("/srv"),
    colour: Colour = Colour.RED,
    side: Literal["left", "right"] = "left",
    amount: Decimal = Decimal(1),
    span: timedelta | None = None,
    nested: dict[str, int] | None = None,
    api_key: str = "",
    anything: Any = None,
    **rest: str,
) -> None:
    """A task of every kind of argument."""


SCHEMA = FunctionArguments("everything", everything).schema()
COMMAND = {
    "type": "object",
    "properties": {"path": {"type": ["string", "number"], "pattern": "^(?!-)"}, "speed": {"default": "5"}},
    "required": ["path"],
    "additionalProperties": False,
}


@pytest.fixture(autouse=True)
def berlin() -> Iterator[None]:
    use_zone("Europe/Berlin")
    use_language("en")
    yield
    use_zone("UTC")
    use_language("en")


def sent(form: Fields) -> dict[str, str]:
    """What a browser sends of the form when nobody has touched it."""
    ticked = (each for each in form if each.kind != "boolean" or each.value == "true")
    return {each.name: each.value.replace("\n", "\r\n") for each in ticked}


def kinds(form: Fields) -> dict[str, str]:
    return {each.argument: each.kind for each in form}


def test_each_argument_gets_the_field_of_its_type():
    assert kinds(fields_of(SCHEMA)) == {
        "text": "text",
        "count": "integer",
        "share": "number",
        "urgent": "boolean",
        "sure": "choice",
        "names": "list",
        "numbers": "list",
        "day": "date",
        "at": "instant",
        "folder": "text",
        "colour": "choice",
        "side": "choice",
        "amount": "text",
        "span": "text",
        "nested": "json",
        "api_key": "secret",
        "anything": "json",
        "": "json",
    }


def test_a_commands_arguments_are_texts():
    assert kinds(fields_of(COMMAND)) == {"path": "text", "speed": "json"}


def test_what_must_be_given_and_the_defaults_are_told():
    form = {each.argument: each for each in fields_of(SCHEMA)}

    assert [name for name, each in form.items() if each.required] == ["text", "count"]
    assert form["share"].default == "1.5"
    assert form["colour"].choices == (("red", "red"), ("blue", "blue"))
    assert form["sure"].choices == (("true", "yes"), ("false", "no"))


def test_what_is_left_empty_is_left_out():
    assert read(SCHEMA, sent(fields_of(SCHEMA))) == {"urgent": False}


def test_filled_in_fields_become_values_of_their_types():
    posted = {
        "a.text": " two  words ",
        "a.count": "3",
        "a.share": "2.5",
        "a.urgent": "true",
        "a.sure": "false",
        "a.names": "one\r\n\r\ntwo\r\n",
        "a.numbers": "1\r\n2",
        "a.day": "2026-11-22",
        "a.at": "2026-11-22T08:00",
        "a.colour": "blue",
        "a.amount": "12.50",
        "a.nested": '{"a": 1}',
        "m.": '{"more": "x"}',
    }

    data = read(SCHEMA, posted)

    assert data == {
        "text": " two  words ",
        "count": 3,
        "share": 2.5,
        "urgent": True,
        "sure": False,
        "names": ["one", "two"],
        "numbers": [1, 2],
        "day": "2026-11-22",
        "at": "2026-11-22T08:00:00+01:00",
        "colour": "blue",
        "amount": "12.50",
        "nested": {"a": 1},
        "more": "x",
    }
    validate_by_schema(SCHEMA, data)


def test_a_german_comma_is_a_decimal_point():
    use_language("de")

    assert read(SCHEMA, {"a.share": "2,5"})["share"] == 2.5


VALUES: dict[str, st.SearchStrategy[Any]] = {
    "text": st.text(),
    "count": st.integers(),
    "share": st.floats(allow_nan=False, allow_infinity=False) | st.integers(),
    "sure": st.none() | st.booleans(),
    "names": st.lists(st.text()),
    "numbers": st.lists(st.integers()),
    "day": st.dates().map(str) | st.text(),
    "at": st.datetimes().map(lambda moment: moment.isoformat()) | st.text() | st.none(),
    "folder": st.text(),
    "colour": st.sampled_from(["red", "blue", "green", "***"]),
    "amount": st.sampled_from(["1.50", "x"]),
    "nested": st.dictionaries(st.text(), st.integers()),
    "api_key": st.sampled_from(["", "***", "a\nb"]),
    "anything": st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=4),
    "other": st.text(),
}


URGENT = {"urgent": st.booleans()}  # a tick says no where there was nothing


@given(data=st.fixed_dictionaries(URGENT, optional=VALUES))
def test_a_form_that_nobody_touches_sends_what_it_was_filled_with(data):
    posted = sent(fields_of(SCHEMA, data))

    assert read(SCHEMA, posted) == data
    assert sent(fields_as_posted(SCHEMA, posted)) == posted


def test_an_instant_is_shown_in_the_readers_zone_and_stays_the_same_instant():
    form = {each.argument: each for each in fields_of(SCHEMA, {"at": "2026-07-01T10:00:00Z"})}

    assert form["at"].value == "2026-07-01T12:00:00"
    again = read(SCHEMA, {"a.at": form["at"].value})["at"]
    assert datetime.fromisoformat(again) == datetime.fromisoformat("2026-07-01T10:00:00Z")


def test_a_hidden_secret_of_any_type_stays_hidden():
    schema = {"properties": {"token": {"type": "integer"}, "passwords": {"type": "array", "items": {}}}}
    hidden = {"token": "***", "passwords": "***"}

    assert read(schema, sent(fields_of(schema, hidden))) == hidden


def test_the_default_of_a_secret_is_not_shown():
    schema = {"properties": {"password": {"type": "string", "default": "swordfish"}}}

    assert "swordfish" not in str(fields_of(schema))


@pytest.mark.parametrize("words", [{"a.nested": "{"}, {"m.": "[1]"}, {"m.": "{"}, {"j.text": "NaN"}])
def test_what_is_no_json_is_refused(words):
    with pytest.raises(InvalidArguments):
        read(SCHEMA, {"a.text": "x", "a.count": "1", **words})


def test_each_fault_stands_at_its_field_and_what_was_typed_stays():
    schema = {**SCHEMA, "additionalProperties": False}
    posted = {"a.count": "three", "a.numbers": "1\r\nx", "a.colour": "red"}
    with pytest.raises(InvalidArguments) as caught:
        validate_by_schema(schema, read(schema, posted))

    form = {each.argument: each for each in fields_as_posted(schema, posted).with_faults(caught.value.faults)}

    assert form["text"].fault == "is missing"
    assert form["count"].fault == "must be a whole number, not 'three'"
    assert form["count"].value == "three"
    assert "numbers[1]" in form["numbers"].fault
    assert form["colour"].fault == ""


def test_a_fault_of_no_field_stands_above_them():
    with pytest.raises(InvalidArguments) as caught:
        validate_by_schema(COMMAND, {"path": "/x", "sped": "5"})

    form = fields_as_posted(COMMAND, {"a.path": "/x"}).with_faults(caught.value.faults)

    assert form.faults == ("sped: is unknown; did you mean 'speed'? (known: path, speed)",)


def test_the_form_is_drawn_with_labels_and_everything_in_it_is_escaped():
    evil = "<script>\"'&"
    schema = {"properties": {evil: {"type": "string", "description": evil, "default": evil}}}
    form = fields_of(SCHEMA, {"text": evil, "names": [evil], "api_key": evil})
    macros = environment().get_template("arguments.html").module

    drawn = str(macros.fields(form)) + str(macros.fields(fields_of(schema)))  # type: ignore[attr-defined]

    assert "<script>" not in drawn
    assert drawn.count("<label") == len(form) + 2
    assert "<textarea" in drawn
    assert 'type="password"' in drawn
    assert 'type="datetime-local"' in drawn


def test_a_needed_value_that_may_be_none_is_none():
    def keep(days: int | None) -> None: ...

    schema = FunctionArguments("keep", keep).schema()

    assert [each.required for each in fields_of(schema)] == [False]
    assert read(schema, {"a.days": ""}) == {"days": None}


def test_a_secret_that_is_not_shown_says_what_leaving_it_means():
    schema = {"properties": {"pin": {"type": "string"}, "entry": {"type": "string", "format": "password"}}}

    form = fields_of(schema, {"pin": "***", "entry": "typed"})

    assert kinds(form) == {"pin": "secret", "entry": "secret", "": "json"}
    assert [each.is_hidden for each in form] == [True, False, False]


def test_all_that_is_wrong_is_told_in_one_go():
    schema = {
        "type": "object",
        "properties": {"number": {"type": "integer"}, "options": {"type": "object"}, "name": {"type": "string"}},
        "required": ["name", "options"],
    }

    with pytest.raises(InvalidArguments) as refused:
        read(schema, {"a.number": "abc", "a.options": "{bad"})

    faults = {fault.argument: fault.message() for fault in refused.value.faults}
    assert set(faults) == {"options", "number", "name"}
    assert "look at line 1, column 2" in faults["options"]


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
    whole = {"properties": properties, "additionalProperties": False}

    assert [each.argument for each in fields_of(whole, {"x": schema})] == ["x"]
    assert [each.value for each in fields_as_posted(whole, {"a.x": word})] == [word.replace("\r\n", "\n")]
    with suppress(InvalidArguments):
        read(whole, {"a.x": word})
