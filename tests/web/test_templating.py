"""What templates do to texts."""

from __future__ import annotations

import pytest

from taskserver.web.templating import with_code


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("nothing", "nothing"),
        ("`a < b` starts it", "<code>a &lt; b</code> starts it"),
        ("<b>x</b> and `y`", "&lt;b&gt;x&lt;/b&gt; and <code>y</code>"),
        ("`one` `two`", "<code>one</code> <code>two</code>"),
        ("a lone ` stays <", "a lone ` stays &lt;"),
        ("", ""),
    ],
)
def test_commands_in_a_sentence_are_shown_as_code_and_all_is_escaped(text, shown):
    assert str(with_code(text)) == shown
