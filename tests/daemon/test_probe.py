"""The probe: asked as another user, answered by that user."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from real_daemon import ROOT

from taskserver.daemon import identity, probe
from taskserver.daemon.probe import OutOfReach, Question

SYSTEM_PYTHON = Path("/usr/bin/python3")

as_root = pytest.mark.skipif(
    os.geteuid() != 0 or not SYSTEM_PYTHON.exists(), reason="needs root and a Python that every user can reach"
)


@pytest.fixture
def myself():
    return identity.resolve(None, allow_root=True)


@pytest.fixture
def question(tmp_path):
    return Question(users_dir=str(tmp_path), log_file=None, config_file=None, needed=("taskserver", "json"))


@pytest.fixture
def with_system_python(monkeypatch):
    """The probe with an interpreter that every user can reach."""
    monkeypatch.setattr(sys, "executable", str(SYSTEM_PYTHON))


def test_where_all_is_well_nothing_is_said(myself, question):
    answer = probe.ask(myself, question, installation=ROOT)

    assert (answer.faults, answer.warnings) == ([], [])


def test_every_fault_is_named_at_once(myself, question, tmp_path):
    (tmp_path / "broken.py").write_text("import nowhere_to_be_found\n")
    asked = replace(
        question,
        needed=("taskserver", "no_such_module"),
        modules=("broken", "missing_module"),
        python_path=(str(tmp_path), str(tmp_path / "nowhere")),
        config_file=str(tmp_path / "unreadable.toml"),
    )

    answer = probe.ask(myself, asked, installation=ROOT)

    text = "\n".join(answer.faults)
    assert "no_such_module" in text
    assert "broken" in text
    assert "missing_module" in text
    assert "nowhere (python_path)" in text
    assert "unreadable.toml" in answer.warnings[0]


def test_a_task_module_that_prints_or_leaves_does_not_spoil_the_answer(myself, question, tmp_path):
    (tmp_path / "noisy.py").write_text("print('{\"faults\": []}')\n")
    (tmp_path / "leaving.py").write_text("import os\nos._exit(3)\n")
    asked = replace(question, python_path=(str(tmp_path),))

    noisy = probe.ask(myself, replace(asked, modules=("noisy",)), installation=ROOT)
    leaving = probe.ask(myself, replace(asked, modules=("leaving",)), installation=ROOT)

    assert noisy.faults == []
    assert leaving.faults == ["exit code 3"]


@as_root
def test_an_interpreter_out_of_reach_is_named_with_what_bars_the_way(question, open_to_all, monkeypatch, tmp_path):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    shutil.copy(SYSTEM_PYTHON.resolve(), closed / "python")
    monkeypatch.setattr(sys, "executable", str(closed / "python"))

    with pytest.raises(OutOfReach, match="closed to that user") as found:
        probe.require(identity.resolve("nobody"), question, installation=open_to_all)

    assert str(closed / "python") in found.value.message()
    assert found.value.exit_code == 6


@as_root
def test_an_installation_out_of_reach_is_named(question, open_to_all, with_system_python):
    open_to_all.chmod(0o700)

    answer = probe.ask(identity.resolve("nobody"), question, installation=open_to_all)

    assert f"{open_to_all} is closed to that user" in answer.faults[0]


@as_root
def test_folders_are_tried_as_the_user_and_not_as_root(question, open_to_all, with_system_python):
    nobody = identity.resolve("nobody")
    asked = replace(
        question, users_dir=str(open_to_all), log_file=str(open_to_all / "x.log"), needed=("taskserver",)
    )

    refused = probe.ask(nobody, asked, installation=open_to_all)
    os.chown(open_to_all, nobody.uid, nobody.gid)
    accepted = probe.ask(nobody, asked, installation=open_to_all)

    assert refused.faults == [f"the folder {open_to_all} (users_dir) is not writable"]
    assert accepted.faults == []


@as_root
def test_a_folder_closed_to_everybody_is_one_sentence(tmp_path, question, with_system_python, open_to_all):
    users_dir = open_to_all / "users"
    users_dir.mkdir(mode=0o000)
    nobody = identity.resolve("nobody")
    os.chown(users_dir, nobody.uid, nobody.gid)
    asked = replace(question, users_dir=str(users_dir), log_file=str(users_dir / "x.log"), needed=("json",))

    answer = probe.ask(nobody, asked, installation=open_to_all)

    assert answer.faults == [f"the folder {users_dir} (users_dir) is not writable"]
