"""`run_as` is put into a configuration without touching anything else, and taken out again."""

from __future__ import annotations

from pathlib import Path

import pytest

from taskserver.boot import edit
from taskserver.config import load

ROOT = Path(__file__).parents[2]

FILES = {
    "shipped.toml": (ROOT / "etc" / "taskserver.toml").read_text(),
    "small.toml": "# mine\n[task_server] # daemon\nmodules = []  # none\n\n[tasks.a]\ncommand = ['/bin/true']\n",
    "no-newline.toml": "[task_server]",
    "kivitendo.conf": "[task_server]\n# debug = 1\n\n[system]\nlanguage = de\n",
    "spaces.ini": "  [ task_server ]\nmax_parallel = 2\n",
}


@pytest.fixture(params=FILES)
def file(request, tmp_path) -> Path:
    file = tmp_path / request.param
    file.write_text(FILES[request.param])
    file.chmod(0o640)
    return file


def test_the_configuration_says_run_as_and_otherwise_the_same(file):
    before, text = load(file), file.read_text()

    change = edit.setting_run_as(file, "erp")
    change.apply()

    after = load(file)
    assert after.run_as == "erp"
    assert after.model_copy(update={"run_as": None, "origins": {}}) == before.model_copy(update={"origins": {}})
    assert [line for line in text.splitlines() if line not in file.read_text().splitlines()] in (
        [],
        ['# run_as = ""'],
    )
    assert file.stat().st_mode & 0o777 == 0o640


def test_undone_it_is_the_same_file_again(file):
    before = file.read_bytes()
    change = edit.setting_run_as(file, "erp")
    change.apply()

    edit.undo(change.record())

    assert file.read_bytes() == before


def test_a_file_changed_since_stays_as_it_is(file):
    change = edit.setting_run_as(file, "erp")
    change.apply()
    file.write_text(file.read_text() + "\n# a word\n")
    text = file.read_text()

    edit.undo(change.record())

    assert edit.undone(change.record()) is False
    assert file.read_text() == text


def test_a_change_that_never_happened_needs_no_undoing(file):
    change = edit.setting_run_as(file, "erp")

    assert edit.undone(change.record()) is None
    file.unlink()
    assert edit.undone(change.record()) is None


@pytest.mark.parametrize(
    "text",
    [
        "task_server = {modules = []}\n",
        "x = '''\n[task_server]\n'''\n",
        "[task_server]\nrun_as = ''\n",
        "['task_server']\n",
        '[task_server.notify_on_failure]\nemail_from = "x"\n',
    ],
)
def test_where_the_rest_would_be_touched_it_refuses(tmp_path, text):
    file = tmp_path / "taskserver.toml"
    file.write_text(text)

    assert edit.setting_run_as(file, "erp") is None


def test_a_link_is_not_written_through(tmp_path):
    (tmp_path / "real.toml").write_text("[task_server]\n")
    (tmp_path / "link.toml").symlink_to("real.toml")

    assert edit.setting_run_as(tmp_path / "link.toml", "erp") is None
