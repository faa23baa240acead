"""`--run-job=ID start`, with and without a daemon, through the control program."""

from __future__ import annotations

import json
import subprocess

import pytest
from real_daemon import SCRIPT

pytestmark = pytest.mark.slow


@pytest.fixture
def control(tmp_path):
    """The control program on an installation of its own, whose daemon is stopped at the end."""
    config = tmp_path / "x.toml"
    config.write_text(
        f"[task_server]\nusers_dir = '{tmp_path}/users'\nallow_root = true\n"
        "[tasks.fails]\ncommand = ['/bin/false']\n[tasks.works]\ncommand = ['/bin/echo', 'done']\n"
    )

    def control(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(SCRIPT), "-c", str(config), *arguments], capture_output=True, text=True, timeout=60, check=False
        )

    yield control
    control("stop", "--now")


def a_job(control, task: str, *options: str) -> str:
    return str(json.loads(control("job", "add", task, "--json", *options).stdout)["id"])


def test_without_a_daemon_it_runs_here(control):
    assert control("start").returncode == 0
    control("autostart", "off")
    works, fails = a_job(control, "works"), a_job(control, "fails")
    assert control("stop").returncode == 0

    runs = [control(f"--run-job={job}", "start") for job in (works, fails, "4711")]

    assert [run.returncode for run in runs] == [0, 150, 153]
    assert runs[0].stderr.splitlines()[-1] == f"job {works} finished: done"
    assert runs[1].stderr.splitlines()[-1] == f"job {fails} failed: exit code 1"
    assert control("status").returncode == 3


def test_a_daemon_is_asked_to_do_it_even_if_nothing_starts_by_itself(control):
    assert control("start").returncode == 0
    control("autostart", "off")
    works, fails = a_job(control, "works"), a_job(control, "fails")

    done, failed = control(f"--run-job={works}", "start"), control(f"--run-job={fails}", "-f", "start")
    missing = control("--run-job=4711", "start")

    assert (done.returncode, failed.returncode, missing.returncode) == (0, 150, 153)
    assert done.stderr == f"job {works} finished: done\n"
    assert failed.stderr == f"job {fails} failed: exit code 1\n"
    assert control("status").returncode == 0


def test_with_json_the_job_is_printed_as_show_does(control):
    assert control("start").returncode == 0
    control("autostart", "off")
    first, second = a_job(control, "works"), a_job(control, "fails")

    by_the_daemon = control(f"--run-job={first}", "start", "--json")
    control("stop")
    here = control(f"--run-job={second}", "start", "--json")

    assert (by_the_daemon.returncode, here.returncode) == (0, 150)
    assert json.loads(by_the_daemon.stdout) == json.loads(control("job", "show", first, "--json").stdout)
    assert json.loads(here.stdout) == json.loads(control("job", "show", second, "--json").stdout)


def test_with_json_a_cron_entry_shows_the_job_of_it_that_has_run(control):
    assert control("start").returncode == 0
    added = control("schedule", "add", "yearly", "works", "--cron", "0 0 1 1 *", "--json")
    entry = json.loads(added.stdout)["id"]
    by_the_daemon = control(f"--run-job={entry}", "start", "--json")
    control("stop")

    here = control(f"--run-job={entry}", "start", "--json")

    for ran in (by_the_daemon, here):
        job = json.loads(ran.stdout)
        assert ran.returncode == 0
        assert (job["cron_entry_id"], job["cron_entry"], job["status"]) == (entry, "yearly", "finished")
        assert job["id"] != entry
