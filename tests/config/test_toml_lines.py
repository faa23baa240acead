"""The light scan for the lines of TOML keys, where it is tempted to go wrong."""

from __future__ import annotations

import tomllib

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
