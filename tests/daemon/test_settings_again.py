"""What a daemon reads when it is told to reload."""

from __future__ import annotations

from taskserver.cli import lifecycle_start
from taskserver.cli.session import Session
from taskserver.daemon.detach import Started


def test_a_reload_keeps_to_the_users_directory_of_the_call(tmp_path, monkeypatch):
    config, elsewhere, launches = tmp_path / "x.toml", tmp_path / "elsewhere", []
    config.write_text(f"[task_server]\nusers_dir = '{tmp_path}/users'\nallow_root = true\n")
    session = Session(installation=tmp_path, config=config, users_dir=elsewhere)
    monkeypatch.setattr(
        lifecycle_start, "start_detached", lambda launch, _: launches.append(launch) or Started(1, True, True)
    )

    lifecycle_start.start(session)
    config.write_text(config.read_text() + "max_parallel = 3\n")
    again = launches[0].read_settings()

    assert again.max_parallel == 3
    assert again.users_dir == elsewhere
    assert again.log_file == launches[0].settings.log_file == elsewhere / "taskserver.log"
