"""Placeholders in titles and command lines: plain names in braces and nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskserver.templates import Template


@pytest.mark.parametrize(
    ("text", "names", "filled"),
    [
        ("{path}", ("path",), "/x"),
        ("--in={path}:{page}", ("path", "page"), "--in=/x:{path}"),
        ("{{path}}", (), "{path}"),
        ("{{{path}}}", ("path",), "{/x}"),
        ("plain", (), "plain"),
        ("", (), ""),
        ("{path}{page}{path}", ("path", "page"), "/x{path}/x"),
        ("{other}", ("other",), "{other}"),
    ],
)
def test_a_value_fills_its_placeholder_once(text: str, names: tuple[str, ...], filled: str) -> None:
    template = Template.parse(text)

    assert template.names == names
    assert template.fill({"path": "/x", "page": "{path}"}) == filled
    assert not template.loose


@pytest.mark.parametrize(
    "text", ["{", "}", "{}", "{0}", "{a.b}", "{a[0]}", "{a!r}", "{a:>9}", "{a b}", "{{a}", "{ä}"]
)
def test_anything_else_in_braces_is_loose_and_stays(text: str) -> None:
    template = Template.parse(text)

    assert template.loose
    assert template.names == ()
    assert template.fill({"a": "x", "b": "y"}) == text.replace("{{", "{")


def test_the_placeholder_that_begins_a_text_is_known() -> None:
    assert Template.parse("{path}/x").leading == "path"
    assert [Template.parse(text).leading for text in ("/{path}", "{{{path}", "{", "")] == [None] * 4


@given(st.text())
def test_escaped_text_comes_back_as_it_was(text: str) -> None:
    escaped = text.replace("{", "{{").replace("}", "}}")

    assert Template.parse(escaped).fill({}) == text
