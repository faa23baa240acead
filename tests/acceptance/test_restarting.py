"""A restart takes a working daemon down only for one that can take its place."""

from __future__ import annotations

import os
import shutil

import pytest
from scratch_server import is_alive


def refused(server, verb, code):
    """What `verb` says, which leaves the daemon alone."""
    pid = server.pid
    done = server.control(verb, code=code)
    assert is_alive(pid)
    assert server.pid == pid
    assert server.wait(server.insert("quick")) == ["finished"]
    return done.stderr


@pytest.mark.parametrize("verb", ["restart", "try-restart"])
def test_a_database_that_refuses_the_new_daemon_leaves_the_old_one_at_work(server, postgres, verb):
    server.start()
    server.configure(database=postgres.url("no_such_database"))

    said = refused(server, verb, 6)

    assert "no_such_database" in said
    assert "the task server was not stopped" in said


def test_tables_of_another_version_leave_the_old_daemon_at_work(server, postgres):
    server.start()
    server.configure(database=postgres.url("postgres"))

    assert "db upgrade" in refused(server, "restart", 154)


def test_a_database_out_of_reach_is_no_place_to_move_a_working_daemon_to(server):
    server.start()
    server.configure(database="postgresql://127.0.0.1:1/jobs")

    assert "127.0.0.1" in refused(server, "restart", 1)


def test_a_daemon_that_waits_for_its_database_may_be_restarted(server):
    server.configure(database="postgresql://127.0.0.1:1/jobs", database_wait=0.1)
    server.control("start")
    pid = server.pid

    done = server.control("restart")

    assert "the new task server will wait for it" in done.stderr
    assert server.pid != pid
    assert server.status()["state"] == "waiting for database"


@pytest.mark.skipif(os.path.exists("/dev/log"), reason="somebody takes logs at /dev/log here")  # noqa: PTH110
def test_a_syslog_that_is_not_there_changes_nothing(server):
    server.start()
    server.configure(log_format="syslog", max_parallel=9)

    reload = server.control("reload", code=6)
    said = refused(server, "restart", 6)

    assert "nobody takes logs at /dev/log" in reload.stderr
    assert "nobody takes logs at /dev/log" in said
    assert server.status()["slots"] == 4


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes another user")
def test_the_database_is_tried_as_the_daemons_user(server):
    from taskserver.cli.lifecycle_trial import GoesOn, require
    from taskserver.config import load
    from taskserver.daemon import identity

    server.folder.chmod(0o755)
    server.users_dir.mkdir(mode=0o755)
    shutil.chown(server.users_dir, "nobody")
    closed = server.folder / "closed"
    closed.mkdir(mode=0o700)
    shutil.copy(__file__, closed / "jobs.sqlite")
    server.configure(database=f"sqlite:///{closed}/jobs.sqlite")

    with pytest.raises(GoesOn, match="closed is not writable") as caught:
        require(load(server.config_file), identity.resolve("nobody"))

    assert caught.value.exit_code == 6
    assert os.geteuid() == 0
