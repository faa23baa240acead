"""The database's files: for the daemon's user and group alone, and refused by name to everybody else."""

from __future__ import annotations

import os
import stat

import pytest

from taskserver.cli.session import DatabaseForbidden, Session


@pytest.fixture
def session(tmp_path):
    config = tmp_path / "x.toml"
    config.write_text(f"[task_server]\nusers_dir = '{tmp_path}/users'\nallow_root = true\n")
    (tmp_path / "users").mkdir()
    made = Session(installation=tmp_path, config=config)
    yield made
    made.opened.close()


def test_whoever_makes_the_database_makes_it_for_user_and_group_alone(session, tmp_path):
    from taskserver.store import Store

    before = os.umask(0o022)
    session.become_run_as()
    Store.create_or_upgrade(session.settings.database)
    session.opened.close()
    after = os.umask(before)

    modes = {stat.S_IMODE(file.stat().st_mode) for file in (tmp_path / "users").iterdir()}
    assert modes == {0o640}
    assert after == 0o022


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes another user")
@pytest.mark.parametrize("closed", ["users", "users/taskserver.sqlite"])
def test_a_stranger_is_told_whom_to_be(session, tmp_path, closed):
    from taskserver.store import Store

    Store.create_or_upgrade(session.settings.database)
    for place in (tmp_path, *tmp_path.parents):
        if not place.stat().st_mode & 0o001:
            place.chmod(0o755)
    (tmp_path / "users").chmod(0o755)
    (tmp_path / closed).chmod(0o700)

    os.seteuid(65534)
    try:
        with pytest.raises(DatabaseForbidden, match="call this as 'root'") as refused:
            session.store  # noqa: B018
    finally:
        os.seteuid(0)

    assert refused.value.fields["file"] == tmp_path / closed
    assert refused.value.exit_code == 4
