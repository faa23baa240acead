"""`install` and `uninstall` below a prefix: what they write, refuse, keep and take back."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys

import pytest
from install_host import USER, Host, call

from taskserver.boot.tree import Tree

BOOT_FILES = {
    "systemd": ["/etc/systemd/system/task-server.service"],
    "sysv": ["/etc/init.d/task-server", "/etc/default/task-server"],
    "upstart": ["/etc/init/task-server.conf"],
    "openrc": ["/etc/init.d/task-server", "/etc/conf.d/task-server"],
    "runit": [f"/etc/sv/task-server/{name}" for name in ("run", "finish", "check", "conf", "log/run")],
}
EVERYWHERE = (
    "/etc/logrotate.d/task-server",
    "/usr/local/share/man/man8/task_server.8",
    "/usr/local/share/man/man5/taskserver.toml.5",
    "/usr/local/share/man/de/man8/task_server.8",
    "/usr/local/share/man/de/man5/taskserver.toml.5",
    "/usr/local/share/bash-completion/completions/task_server",
    "/usr/local/share/zsh/site-functions/_task_server",
    "/etc/fish/completions/task_server.fish",
)


@pytest.mark.parametrize("system", BOOT_FILES)
def test_each_init_system_gets_its_files_and_each_is_told(host, system):
    result = host.install(f"--{system}", "--enable")

    for name in (*BOOT_FILES[system], *EVERYWHERE):
        assert host.path(name).is_file(), name
        assert f"write: {host.path(name)}" in result.steps
    assert "/opt/taskserver" not in "".join(host.read(name) for name in BOOT_FILES[system])


@pytest.mark.parametrize("system", BOOT_FILES)
def test_a_second_call_changes_nothing_and_says_so(host, system):
    host.install(f"--{system}", "--enable")
    before = host.tree()

    second = host.install(f"--{system}", "--enable")

    assert second.steps == []
    assert "task-server is installed already; nothing was changed" in second.err
    assert host.tree() == before


@pytest.mark.parametrize("system", BOOT_FILES)
def test_a_dry_run_tells_the_same_steps_and_does_none(host, system):
    dry = host.install(f"--{system}", "--enable", "--dry-run")
    nothing = host.tree()
    real = host.install(f"--{system}", "--enable")

    assert nothing == {}
    assert dry.out == real.out
    assert "nothing was changed (--dry-run)" in dry.err


@pytest.mark.parametrize("system", BOOT_FILES)
def test_uninstall_leaves_what_was_there_before(host, system):
    host.path("/etc/logrotate.d").mkdir(parents=True)
    host.path("/etc/logrotate.d/other").write_text("of somebody else\n")
    host.path("/usr/local/bin").mkdir(parents=True)
    before = host.tree()

    host.install(f"--{system}", "--enable")
    dry = host.uninstall("--dry-run")
    real = host.uninstall()

    assert host.tree() == before
    assert dry.out == real.out


def test_uninstalling_twice_changes_nothing_and_says_so(host):
    host.install("--sysv")
    host.uninstall()

    assert "task-server is not installed; nothing was changed" in host.uninstall().err


def test_what_would_touch_the_running_system_is_left_to_do(host):
    out = host.install("--sysv", "--enable").out

    assert f"left to do: useradd --system --user-group --no-create-home --home-dir '{host.users_dir}'" in out
    assert f"--owner={USER} --group={USER} '{host.users_dir}'" in out
    assert f'left to do: write into {host.config}, below [task_server]: run_as = "{USER}"' in out
    assert "left to do: update-rc.d task-server defaults" in out
    assert "run:" not in out
    assert not host.path(host.users_dir).exists()


def test_the_steps_are_one_json_document_if_asked(host):
    result = host.install("--runit", "--enable", "--json")

    steps = [(step["action"], step["what"]) for step in result.json["steps"]]
    assert result.json | {"steps": []} == {
        "name": "task-server",
        "init": "runit",
        "dry_run": False,
        "changed": True,
        "steps": [],
    }
    assert ("write", str(host.path("/etc/sv/task-server/run"))) in steps
    assert host.install("--runit", "--enable", "--json").json["changed"] is False


# --- files of others


def test_a_foreign_file_in_the_place_is_refused_before_anything_is_written(host):
    script = host.path("/etc/init.d/task-server")
    script.parent.mkdir(parents=True)
    script.write_text("of somebody else\n")
    before = host.tree()

    result = host.install("--sysv", code=1)

    assert f"{script}: not written by `task_server install`" in result.err
    assert f"mv {script} {script}.old" in result.err
    assert result.err.count("\n") == 1
    assert host.tree() == before


def test_a_foreign_file_that_says_the_same_is_left_and_stays_afterwards(host):
    host.install("--sysv")
    text = host.read("/etc/logrotate.d/task-server")
    host.uninstall()
    host.path("/etc/logrotate.d").mkdir(parents=True)
    host.path("/etc/logrotate.d/task-server").write_text(text)
    before = host.tree()

    result = host.install("--sysv")
    host.uninstall()

    assert "logrotate" not in result.out
    assert host.tree() == before


def test_a_file_changed_by_hand_stays_as_it_is_while_there_is_nothing_new_for_it(host):
    host.install("--sysv")
    host.path("/etc/default/task-server").write_text("DAEMON_OPTS='--lang de'\n")

    result = host.install("--sysv")

    assert f"keep: {host.path('/etc/default/task-server')}: it was changed since" in result.steps
    assert host.read("/etc/default/task-server") == "DAEMON_OPTS='--lang de'\n"


def test_a_file_changed_by_hand_is_refused_when_there_is_something_new_for_it(host):
    host.install("--systemd")
    unit = host.path("/etc/systemd/system/task-server.service")
    unit.write_text(unit.read_text() + "# mine\n")
    host.configure('drain_timeout = "10m"')
    before = host.tree()

    result = host.install("--systemd", code=1)

    assert f"{unit}: changed by hand" in result.err
    assert f"mv {unit} {unit}.mine" in result.err
    assert host.tree() == before


def test_a_changed_configuration_renews_our_own_files(host):
    host.install("--systemd")
    host.configure('drain_timeout = "10m"')

    result = host.install("--systemd")

    assert result.steps == [f"write: {host.path('/etc/systemd/system/task-server.service')}"]
    assert "TimeoutStopSec=660\n" in host.read("/etc/systemd/system/task-server.service")


def test_a_file_that_the_configuration_has_no_use_for_any_more_is_taken_back(host):
    host.install("--sysv")
    host.configure('log_format = "syslog"')

    result = host.install("--sysv")

    assert result.steps == [f"remove: {host.path('/etc/logrotate.d/task-server')}"]
    assert not host.path("/etc/logrotate.d/task-server").exists()


def test_uninstall_keeps_and_names_what_was_changed_and_takes_it_once_it_is_gone(host):
    host.install("--sysv")
    snippet = host.path("/etc/logrotate.d/task-server")
    snippet.write_text("mine\n")

    first = host.uninstall()
    left = [path for path in host.tree() if host.path(path).is_file()]
    snippet.unlink()
    host.uninstall()

    assert f"keep: {snippet}: it was changed since" in first.out
    assert left == ["etc/logrotate.d/task-server", "var/lib/taskserver-installed/task-server.json"]
    assert host.tree() == {}


def test_a_program_of_that_name_on_the_path_is_left_alone(host):
    program = host.path("/usr/local/bin/task_server")
    program.parent.mkdir(parents=True)
    program.write_text("of somebody else\n")

    result = host.install("--sysv")
    host.uninstall()

    assert f"keep: {program}: it was there before" in result.steps
    assert program.read_text() == "of somebody else\n"


def test_another_init_system_needs_the_first_taken_back(host):
    host.install("--sysv")

    result = host.install("--systemd", code=1)

    assert "task-server is installed for System V init already" in result.err
    assert "`task_server uninstall --name task-server`" in result.err


@pytest.fixture
def cut_short(host, monkeypatch):
    """Makes an installation that ends right after its file or link number so-and-so."""

    def cut(number: int) -> None:
        done = []

        def cut_off(act):
            def acting(tree, path, *arguments):
                act(tree, path, *arguments)
                done.extend([path] if path.suffix != ".json" else [])
                if len(done) == number:
                    raise KeyboardInterrupt

            return acting

        with monkeypatch.context() as patch:
            patch.setattr(Tree, "write", cut_off(Tree.write))
            patch.setattr(Tree, "make_link", cut_off(Tree.make_link))
            host.install("--sysv", code=130)

    return cut


@pytest.mark.parametrize("number", [1, 3, 10, 12])
def test_an_installation_that_was_cut_short_is_taken_up_again(host, cut_short, number):
    host.install("--sysv")
    whole = host.tree()
    host.uninstall()

    cut_short(number)
    host.install("--sysv")

    assert host.tree() == whole


@pytest.mark.parametrize("number", [1, 3, 10, 12])
def test_an_installation_that_was_cut_short_can_be_taken_back(host, cut_short, number):
    cut_short(number)

    host.uninstall()

    assert host.tree() == {}


@pytest.mark.parametrize("number", [1, 2])
def test_a_renewal_that_was_cut_short_is_taken_up_again(host, cut_short, number):
    host.install("--sysv")
    host.users_dir = "/srv/elsewhere"
    host.configure('log_file = "/srv/elsewhere/log"')
    host.path("/etc/default/task-server").unlink()

    cut_short(number)
    host.install("--sysv")

    assert "/srv/elsewhere/log" in host.read("/etc/logrotate.d/task-server")
    host.uninstall()
    assert host.tree() == {}


# --- several services


def test_two_services_share_the_manual_and_the_last_one_takes_it_away(host):
    page = host.path("/usr/local/share/man/man8/task_server.8")
    host.install("--systemd")
    host.use_another_configuration()
    host.install("--systemd", "--name", "erp-tasks")
    host.uninstall()
    after_the_first = page.exists()
    unit = host.path("/etc/systemd/system/erp-tasks.service").exists()
    host.uninstall("--name", "erp-tasks")

    assert (after_the_first, unit) == (True, True)
    assert host.tree() == {}


def test_the_first_of_two_services_may_also_go_last(host):
    host.install("--systemd")
    host.use_another_configuration()
    host.install("--systemd", "--name", "erp-tasks")

    host.uninstall("--name", "erp-tasks")
    host.uninstall()

    assert host.tree() == {}


@pytest.mark.parametrize("system", BOOT_FILES)
def test_a_service_of_another_name_names_itself_in_its_files(host, system):
    host.install(f"--{system}", "--name", "erp-tasks", "--enable")

    for name in BOOT_FILES[system]:
        text = host.read(name.replace("task-server", "erp-tasks"))
        assert "task-server" not in text.replace("scripts/task_server.py", "")


def test_a_second_service_on_one_users_directory_is_refused(host):
    host.install("--systemd")
    before = host.tree()

    result = host.install("--systemd", "--name", "erp-tasks", code=1)

    assert f"{host.users_dir} belongs to the service task-server" in result.err
    assert "task_server uninstall --name task-server" in result.err
    assert host.tree() == before


@pytest.mark.parametrize("place", ["/usr/lib/systemd/system/cron.service", "/etc/init.d/cron"])
def test_a_name_that_would_hide_another_service_is_refused(host, place):
    host.path(place).parent.mkdir(parents=True)
    host.path(place).write_text("of the distribution\n")
    before = host.tree()

    result = host.install("--systemd", "--name", "cron", code=1)

    assert f"{host.path(place)} is a service named cron already" in result.err
    assert "--name" in result.err
    assert host.tree() == before


def test_the_ending_of_a_unit_is_no_part_of_a_name(host):
    result = host.install("--systemd", "--name", "erp-tasks.service", code=2)

    assert "leave out what follows the last dot" in result.err


@pytest.mark.parametrize("name", ["../evil", "a/b", "", ".hidden", "a b", "x" * 80])
def test_a_name_that_is_none_is_refused(host, name):
    result = host.install("--systemd", "--name", name, code=2)

    assert "is no name for a service" in result.err
    assert host.tree() == {}


# --- upstart, where a file that is there is enabled


def test_upstart_waits_for_a_person_until_it_is_enabled(host):
    override = host.path("/etc/init/task-server.override")
    host.install("--upstart")
    waiting = override.read_text()
    again = host.install("--upstart")
    host.install("--upstart", "--enable")
    enabled = not override.exists()
    later = host.install("--upstart")

    assert (waiting, again.steps, enabled, later.steps) == ("manual\n", [], True, [])
    host.uninstall()
    assert host.tree() == {}


# --- whom, and where


def test_root_is_refused_unless_the_configuration_allows_it(host):
    refused = host("install", "--systemd", "--run-as", "root")
    host.configure("allow_root = true")
    allowed = host("install", "--systemd", "--run-as", "root")

    assert (refused.code, allowed.code) == (6, 0)
    assert "allow_root = true" in refused.err
    assert str(host.config) in refused.err


def test_a_second_name_of_root_is_refused_like_root(host):
    host.path("/etc").mkdir()
    host.path("/etc/passwd").write_text("root:x:0:0::/root:/bin/sh\ntoor:x:0:0::/root:/bin/sh\n")

    refused = host("install", "--systemd", "--run-as", "toor")

    assert refused.code == 6
    assert "refuses to run as root" in refused.err


def test_the_users_are_those_of_the_image(host):
    host.path("/etc").mkdir()
    host.path("/etc/passwd").write_text(f"# no line\n{USER}:x:700:701::/:/bin/sh\n")
    host.path("/etc/group").write_text("erp-staff:x:701:\nnobody:x:702:\n")

    known = host("install", "--systemd", "--run-as", USER, "--dry-run")
    only_here = host("install", "--systemd", "--run-as", "nobody", "--dry-run")
    host.install("--systemd")

    assert "useradd" not in known.out
    assert "left to do: useradd --system --gid nobody" in only_here.out
    assert "Group=erp-staff\n" in host.read("/etc/systemd/system/task-server.service")


@pytest.mark.parametrize(("users_dir", "bar"), [("/root/x/users", "/root"), ("/proc/x", "belongs to the system")])
def test_a_users_directory_that_the_user_could_not_use_is_refused_at_first(host, users_dir, bar):
    host.users_dir = users_dir
    host.configure()

    refused = call("-c", str(host.config), "install", "--sysv", "--run-as", USER, "--dry-run")

    assert refused.code == 6
    assert bar in refused.err
    assert users_dir in refused.err
    assert refused.out == ""


def test_without_a_user_it_says_how_to_name_one(host):
    result = host("install", "--systemd")

    assert result.code == 6
    assert "--run-as USER" in result.err
    assert str(host.config) in result.err


def test_a_user_other_than_the_configured_one_is_refused(host):
    host.configure('run_as = "erp"')

    result = host.install("--systemd", code=6)

    assert f"{host.config} says run_as = 'erp'" in result.err
    assert USER in result.err


@pytest.mark.parametrize("name", ["Big", "a b", "-x", "1a", "a" * 33, "ä"])
def test_a_user_whom_no_system_would_take_is_refused(host, name):
    result = host("install", "--systemd", f"--run-as={name}")

    assert result.code == 2
    assert "is no name for a new system user" in result.err


def test_the_configured_user_suffices(host):
    host.configure(f'run_as = "{USER}"')

    result = host("install", "--systemd")

    assert result.code == 0
    assert f"User={USER}\n" in host.read("/etc/systemd/system/task-server.service")


def test_a_broken_configuration_is_told_before_anything_is_done(host):
    host.configure('max_paralel = "many"')

    result = host.install("--systemd", code=6)

    assert "max_parallel" in result.err
    assert host.tree() == {}


def test_only_root_may_install_into_the_running_system(tmp_path, monkeypatch):
    host = Host(tmp_path)
    monkeypatch.setattr("os.geteuid", lambda: 1000)

    for command in ("install", "uninstall"):
        result = call("-c", str(host.config), command)
        assert result.code == 4
        assert "only root may do this" in result.err


def test_a_prefix_that_is_not_there_is_wrong_usage(host):
    assert call("-c", str(host.config), "install", "--prefix", str(host.prefix / "none")).code == 2


def test_the_init_system_below_a_prefix_is_the_one_whose_program_is_there(host):
    host.path("/sbin").mkdir()
    host.path("/sbin/openrc").touch()

    assert host.install("--json").json["init"] == "openrc"


def test_below_a_prefix_without_a_sign_it_is_system_v(host):
    assert host.install("--json").json["init"] == "sysv"


def test_a_record_that_others_may_write_is_not_believed(host):
    host.install("--sysv")
    record = host.path("/var/lib/taskserver-installed/task-server.json")
    record.chmod(0o666)
    before = host.tree()

    result = host.uninstall(code=1)

    assert f"{record}, the record of what is installed, cannot be trusted" in result.err
    assert host.tree() == before


def test_a_record_that_is_no_record_is_told_in_one_sentence(host):
    host.install("--sysv")
    host.path("/var/lib/taskserver-installed/task-server.json").write_text("[]")

    result = host.uninstall(code=1)

    assert result.err.count("\n") == 1
    assert "cannot be trusted" in result.err


@pytest.mark.parametrize(
    "values",
    [
        {"system": "none"},
        {"files": {"/x": [1]}},
        {"user": 7},
        {"links": {"/x": None}},
        {"more": 1},
        {"format": 99},
    ],
    ids=str,
)
def test_a_record_with_odd_values_is_not_believed(host, values):
    host.install("--sysv")
    file = host.path("/var/lib/taskserver-installed/task-server.json")
    file.write_text(json.dumps(json.loads(file.read_text()) | values))
    before = host.tree()

    result = host.uninstall(code=1)

    assert "cannot be trusted" in result.err
    assert host.tree() == before


def test_two_at_once_do_not_disturb_each_other(host):
    host.install("--sysv")
    folder = os.open(host.path("/var/lib/taskserver-installed"), os.O_RDONLY)
    fcntl.flock(folder, fcntl.LOCK_EX)
    before = host.tree()

    refused = [host.install("--sysv", code=1), host.uninstall(code=1)]
    os.close(folder)

    assert all("somebody else is installing or uninstalling" in result.err for result in refused)
    assert host.tree() == before
    host.uninstall()


def test_a_reader_who_has_seen_enough_does_not_stop_it_halfway(host):
    words = [sys.executable, "-c", "import sys; from taskserver.cli import main; sys.exit(main())", "install"]
    words += ["-c", str(host.config), "--sysv", "--run-as", USER, "--prefix", str(host.prefix)]
    reading, writing = os.pipe()
    os.close(reading)

    done = subprocess.run(words, stdout=writing, stderr=subprocess.PIPE, text=True, check=False, timeout=60)
    os.close(writing)

    assert (done.returncode, done.stderr) == (0, "")
    assert "nothing was changed" in host.install("--sysv").err


def test_german(host):
    result = host("install", "--lang", "de", "--run-as", USER, "--sysv")

    assert f"schreiben: {host.path('/etc/init.d/task-server')}" in result.out
    assert "noch zu tun: useradd" in result.out
