"""The light scan for the lines of TOML keys, where it is tempted to go wrong."""

from __future__ import annotations

import tomllib

import pytest

from taskserver.config import ConfigurationError, load
from taskserver.config.toml_lines import key_lines

TEXT = (
    r'''# [not.a.table]
top = """
[nor.this]
x = 1 """"

[a.b] # comment
one = "# not a comment \" ["
two = [
  1, # ]
  "]", '"',
]
"quoted key".'x' = { inline = [1], more = '''
    + "'''\ny = 2\n'''"
    + r""" }
c.d = 1
[[list]]
n = 1
[[list]]
n = 2
last = 3"""
)


def test_lines_are_found_among_brackets_comments_and_texts() -> None:
    tomllib.loads(TEXT)

    assert key_lines(TEXT) == {
        ("top",): 2,
        ("a",): 6,
        ("a", "b"): 6,
        ("a", "b", "one"): 7,
        ("a", "b", "two"): 8,
        ("a", "b", "quoted key"): 12,
        ("a", "b", "quoted key", "x"): 12,
        ("a", "b", "c"): 15,
        ("a", "b", "c", "d"): 15,
        ("list",): 16,
        ("list", "n"): 17,
        ("list", "last"): 20,
    }


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a = 1\na = 2\n", ":2: is not valid TOML: a is set already in line 1"),
        (
            "[task_server]\n\nslots = 1\n'slots' = 2\n",
            ":4: is not valid TOML: task_server.slots is set already in line 3",
        ),
        ("a = [\n 1,\n]\na = [\n 2,\n]", ":4: is not valid TOML: a is set already in line 1"),
        ("[x]\ny = 1\n[x.y]\nz = 2\n", ":3: is not valid TOML: x.y is set already in line 2"),
        ("a = 1\r\na.b = 2\r\nc = {", ":2: is not valid TOML: a.b is set already in line 1"),
    ],
)
def test_a_key_that_is_there_twice_is_named_with_both_lines(tmp_path, text, told):
    file = tmp_path / "x.toml"
    file.write_bytes(text.encode())

    with pytest.raises(ConfigurationError) as caught:
        load(file, installation=tmp_path)

    assert told in caught.value.message()
