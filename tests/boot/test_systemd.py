"""A real systemd with the shipped units: start, reload, stop, and being there again after a power cycle."""

from __future__ import annotations

import json
import subprocess

import pytest
from installation import PLACE, SCRIPT
from systemd_service import Service

pytestmark = pytest.mark.slow


def test_an_enabled_service_is_there_again_after_a_power_cycle(service, systemd_machine):
    systemd_machine.run("systemctl", "enable", "--now", service.unit)
    job_id = service.add("patient", seconds=0.1)
    service.await_job(job_id, "finished")

    systemd_machine.poweroff()
    systemd_machine.boot()
    after_poweroff = service.show("ActiveState")
    systemd_machine.cut_power()
    systemd_machine.boot()
    after_cut = service.show("ActiveState")
    systemd_machine.run("systemctl", "disable", service.unit)

    assert (after_poweroff, after_cut) == ("active", "active")
    assert service.job(job_id)["status"] == "finished"


def test_start_returns_when_work_is_taken(service):
    service.start()

    assert service.shows(ActiveState="active", SubState="running", Result="success")
    assert json.loads(service.control("status", "--json"))["state"] == "running"
    assert f"ready, pid {service.pid}" in service.journal


def test_the_status_tells_a_person_how_it_is(service):
    service.start()
    service.until(StatusText="0 of 2 slots busy, no jobs waiting")

    for _ in range(3):
        service.add("patient", seconds=600)
    service.until(StatusText="2 of 2 slots busy, 1 job waiting")
    service.control("autostart", "off")

    service.until(StatusText="2 of 2 slots busy, 1 job waiting, auto-start is off")
    service.control("stop", "--now")


def test_the_console_is_served_from_within_the_sandbox(service):
    service.configure("[task_server.console]\nenabled = true\n")
    service.start()

    told = service.eventually(
        lambda: (
            (said := json.loads(service.control("status", "--json"))["console"])["state"] == "serving" and said
        ),
        what="the console",
    )

    fetch = f"import urllib.request; print(urllib.request.urlopen({told['address'] + 'readyz'!r}).status)"
    assert service.machine.output(str(PLACE / ".venv/bin/python"), "-c", fetch) == "200"
    assert "first-login?" not in service.journal
    service.stop()
    assert service.shows(ActiveState="inactive", Result="success")


def test_a_reload_takes_over_new_settings(service):
    service.start()
    pid = service.pid
    service.configure(max_parallel=3)

    service.machine.run("systemctl", "reload", service.unit)

    service.until(StatusText="0 of 3 slots busy, no jobs waiting")
    assert service.pid == pid


def test_a_reload_of_a_faulty_configuration_fails_and_says_why(service):
    service.start()
    pid = service.pid
    service.configure(max_paralel=3)

    service.machine.run("systemctl", "reload", service.unit, code=1)

    assert "task_server.max_paralel: there is no such key" in service.journal
    assert (service.pid, service.show("ActiveState")) == (pid, "active")


def test_a_stop_lets_running_jobs_end_and_tells_so(service):
    service.start()
    job_id = service.add("patient", seconds=3)
    service.await_job(job_id, "running")

    with subprocess.Popen(service.machine.command("systemctl", "stop", service.unit)) as stop:
        service.until(ActiveState="deactivating", StatusText="draining: 1 job still runs")

    assert stop.returncode == 0
    assert service.shows(ActiveState="inactive", Result="success")
    assert service.job(job_id)["result"] == "ended by itself"


def test_a_drain_may_take_longer_than_the_patience_of_systemd(service):
    service.drop_in("[Service]", "TimeoutStopSec=3", "WatchdogSec=2")
    service.start()
    job_id = service.add("patient", seconds=6)
    service.await_job(job_id, "running")

    service.stop()

    assert service.shows(ActiveState="inactive", Result="success")
    assert service.job(job_id)["result"] == "ended by itself"


def test_a_database_that_is_not_there_is_waited_for_beyond_the_patience_of_systemd(service):
    service.drop_in("[Service]", "TimeoutStartSec=6", "WatchdogSec=2")
    service.configure(database="postgresql://erp@127.0.0.1/erp", database_wait=7)

    with subprocess.Popen(service.machine.command("systemctl", "start", service.unit)) as start:
        service.until(ActiveState="activating", StatusText="waiting for the database")
    assert start.returncode == 0

    started = service.uptime
    service.eventually(lambda: service.uptime > started + 5, what="twice the time of the watchdog")
    assert service.shows(ActiveState="active", NRestarts="0", StatusText="waiting for the database")


def test_the_default_users_directory_in_the_installation_works_once_it_exists(service):
    service.configure(users_dir=None)
    service.machine.run("install", "--directory", "--owner=taskserver", "--mode=750", "/opt/taskserver/users")

    service.start()

    said = json.loads(service.machine.output(str(SCRIPT), "status", "--json"))
    assert str(said["pid"]) == service.pid


def test_a_users_directory_that_the_sandbox_closes_is_told_with_the_way_out(service):
    service.configure(users_dir="/srv/taskserver")
    service.machine.run("install", "--directory", "--owner=taskserver", "--mode=750", "/srv/taskserver")

    service.refuses_to_start()
    assert "ReadWritePaths=" in service.journal
    assert service.shows(ActiveState="failed", NRestarts="0")

    service.drop_in("[Service]", "ReadWritePaths=/srv/taskserver")
    service.start()


@pytest.fixture
def instances(systemd_machine):
    both = [
        Service(
            systemd_machine,
            f"task-server@{name}.service",
            config=f"/etc/taskserver/{name}.toml",
            users_dir=f"/var/lib/taskserver/{name}",
        )
        for name in ("erp", "archive")
    ]
    yield both
    for each in both:
        each.stop()


def test_two_instances_run_at_once_and_each_has_its_own(service, instances):
    service.machine.run("sh", "-c", "rm -rf /var/lib/taskserver; chmod 755 /var/lib")
    for each in instances:
        each.configure(node_id=each.unit.partition("@")[2].partition(".")[0])
        each.start()
    jobs = [each.add("quick", word=each.users_dir) for each in instances]

    results = [each.await_job(job, "finished")["result"] for each, job in zip(instances, jobs, strict=True)]

    assert results == ["/var/lib/taskserver/erp", "/var/lib/taskserver/archive"]
    nodes = [json.loads(each.control("status", "--json")) for each in instances]
    assert [(node["node_id"], str(node["pid"])) for node in nodes] == [
        ("erp", instances[0].pid),
        ("archive", instances[1].pid),
    ]


@pytest.fixture
def forking(service):
    """The unit of the old way. Root starts it."""
    forking = Service(service.machine, "task-server-forking.service")
    forking.reset()
    service.machine.run("install", "--directory", "--owner=taskserver", "--mode=750", forking.users_dir)
    yield forking
    forking.reset()


def test_the_old_way_with_a_pidfile_works(forking):
    forking.start()
    pid = forking.pid
    forking.configure(max_parallel=3)
    forking.machine.run("systemctl", "reload", forking.unit)

    said = json.loads(forking.control("status", "--json"))
    assert (str(said["pid"]), said["slots"]) == (pid, 3)
    assert forking.machine.output("stat", "--format=%U", f"/proc/{pid}") == "taskserver"

    job_id = forking.add("patient", seconds=1)
    forking.await_job(job_id, "running")
    forking.stop()
    assert forking.shows(ActiveState="inactive", Result="success")
    assert forking.job(job_id)["status"] == "finished"


def test_the_old_way_is_restarted_after_a_kill(forking):
    forking.drop_in("[Service]", "RestartSec=100ms")
    forking.start()
    pid = forking.pid

    forking.machine.run("kill", "-KILL", pid)

    forking.until(NRestarts="1", ActiveState="active")
    assert forking.pid != pid
