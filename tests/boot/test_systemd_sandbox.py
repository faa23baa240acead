"""The sandbox of the shipped unit, tried from inside by tasks; and the secrets that come into it."""

from __future__ import annotations

import json

import pytest
from installation import PLACE, SCRIPT

READ_ONLY = "Read-only file system"
REFUSED = "Operation not permitted"
CLOSED = ("Permission denied", "No such file")

FORBIDDEN = {
    "write /etc": READ_ONLY,
    "write /usr": READ_ONLY,
    "write the program": READ_ONLY,
    "write a unit": READ_ONLY,
    "make a control group": READ_ONLY,
    "read /home": CLOSED,
    "read /root": CLOSED,
    "see the others": CLOSED,
    "load a module": REFUSED,
    "trace a process": REFUSED,
    "make a namespace": REFUSED,
    "mount": REFUSED,
    "set the clock": REFUSED,
    "open a raw socket": "not supported by protocol",
    "make a set-user-id file": REFUSED,
}


@pytest.fixture
def secrets_of_people(service):
    """What everybody outside the sandbox may read."""
    service.write("/home/erp/secret", "secret")
    service.write("/root/secret", "secret")
    service.machine.run("chmod", "755", "/home/erp", "/root")


@pytest.mark.parametrize("user", ["taskserver", "root"])
def test_a_task_that_leaves_the_sandbox_fails_and_says_so(service, secrets_of_people, user):
    """Also as root: then it is the sandbox that forbids it, and not only the user's lack of rights."""
    service.drop_in("[Service]", f"User={user}")
    service.configure(run_as=user, allow_root=user == "root")
    service.start()
    pid = service.pid
    service.sql(
        "INSERT INTO jobs (task, data) SELECT 'trespass', json_object('what', value) FROM json_each(?)",
        json.dumps(list(FORBIDDEN)),
    )

    said = service.eventually(
        lambda: len(found := service.results("trespass", "what")) == len(FORBIDDEN) and found,
        what="all have ended",
    )

    open_doors = {what: said[what] for what, words in FORBIDDEN.items() if not any_in(words, said[what])}
    assert open_doors == {}
    assert service.pid == pid
    assert service.sql("SELECT DISTINCT status FROM jobs WHERE task = 'trespass'") == [{"status": "failed"}]


def any_in(words, text):
    return any(word in text for word in ([words] if isinstance(words, str) else words))


def test_what_a_task_needs_is_open(service):
    service.start()

    job = service.await_job(service.add("allowed"), "finished")

    assert job["result"] == "all of it"
    places = ("/var/lib/taskserver", "/run/taskserver", "/var/log/taskserver")
    assert [service.machine.output("stat", "--format=%U %a", place) for place in places] == ["taskserver 750"] * 3


def test_a_credential_that_only_root_may_read_reaches_the_daemon(service):
    service.write("/etc/credstore/taskserver.database_password", "from the credstore\n", 0o600)
    service.write("/etc/credstore/taskserver.smtp_password", "mail\n", 0o600)
    service.start()

    jobs = [service.add("credential", name=name) for name in ("database_password", "smtp_password")]

    results = [service.await_job(job, "finished")["result"] for job in jobs]
    assert results == ["from the credstore\n", "mail\n"]


LISTENER = """
import socket, struct, sys
server = socket.create_server(("127.0.0.1", 5432))
print("listening", flush=True)
while True:
    peer, _ = server.accept()
    with peer:
        head = peer.recv(8)
        if struct.unpack("!II", head) in [(8, 80877103), (8, 80877104)]:  # SSL or GSS? No.
            peer.sendall(b"N")
            head = peer.recv(8)
            if struct.unpack("!II", head)[1] in (80877103, 80877104):
                peer.sendall(b"N")
                head = peer.recv(8)
        peer.recv(struct.unpack("!II", head)[0] - 8)
        peer.sendall(b"R" + struct.pack("!II", 8, 3))  # a password, in clear
        said = peer.recv(4096)
        with open("/run/passwords", "ab") as passwords:
            passwords.write(said[5:-1] + b"\\n")
        reason = b"SVFATAL\\0C57P03\\0Mnot yet\\0\\0"
        peer.sendall(b"E" + struct.pack("!I", len(reason) + 4) + reason)
"""
"""As much of a PostgreSQL server as it takes to be told a password."""


@pytest.fixture
def listener(service):
    python = str(PLACE / ".venv/bin/python")
    service.machine.run("systemd-run", "--unit=listener", "--quiet", python, "-c", LISTENER)
    service.eventually(
        lambda: ":1538 " in service.machine.output("cat", "/proc/net/tcp"), what="it listens on 5432"
    )
    yield
    service.machine.run("systemctl", "stop", "listener")


def passwords(service):
    return service.machine.run("cat", "/run/passwords", code=None).stdout.split()


def test_daemon_and_roots_commands_use_the_password_that_only_root_may_read(service, listener):
    secret = "/etc/credstore/taskserver.database_password"
    service.write(secret, "only-for-root\n", 0o600)
    service.configure(database="postgresql://erp@127.0.0.1/erp", database_password_file=secret, database_wait=0)

    service.start()
    service.eventually(lambda: passwords(service), what="a password was sent")
    service.stop()
    from_daemon = set(passwords(service))
    service.machine.run("rm", "/run/passwords")
    said = service.machine.run(str(SCRIPT), "job", "list", code=None)

    assert from_daemon == set(passwords(service)) == {"only-for-root"}
    assert "not yet" in said.stderr
