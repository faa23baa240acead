"""Placeholders in arguments: plain names in braces and nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskserver.config import Template
from taskserver.config.faults import WrongValue


@pytest.mark.parametrize(
    ("text", "names", "filled"),
    [
        ("{path}", ("path",), "/x"),
        ("--in={path}:{page}", ("path", "page"), "--in=/x:{path}"),
        ("{{path}}", (), "{path}"),
        ("{{{path}}}", ("path",), "{/x}"),
        ("plain", (), "plain"),
        ("", (), ""),
    ],
)
def test_a_value_fills_its_placeholder_once(text: str, names: tuple[str, ...], filled: str) -> None:
    template = Template.parse(text)

    assert template.names == names
    assert template.fill({"path": "/x", "page": "{path}"}) == filled
    assert template.alone == (text == "{path}")


@pytest.mark.parametrize(
    "text", ["{", "}", "{}", "{0}", "{a.b}", "{a[0]}", "{a!r}", "{a:>9}", "{a b}", "{{a}", "{ä}"]
)
def test_anything_else_in_braces_is_refused(text: str) -> None:
    with pytest.raises(WrongValue, match="belongs to no placeholder"):
        Template.parse(text)


@given(st.text())
def test_escaped_text_comes_back_as_it_was(text: str) -> None:
    escaped = text.replace("{", "{{").replace("}", "}}")

    assert Template.parse(escaped).fill({}) == text
