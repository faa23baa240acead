"""The programs in examples/api, run as they stand against a console that listens."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from waiting import eventually

from taskserver.jobs import Outcome
from taskserver.store import Role
from taskserver.web.serving import ConsoleServer

pytestmark = pytest.mark.only_on("sqlite")

EXAMPLES = Path(__file__).parents[3] / "examples" / "api"
PROGRAMS = {"queue.sh": ["sh"], "queue.php": ["php"], "queue.pl": ["perl"]}
NEEDS = {"queue.sh": "curl", "queue.php": "php", "queue.pl": "perl"}

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(app: Any, make_settings: Any, make_program: Any, acme: Any) -> Iterator[Start]:
    """Starts an example with an operator's token; skips it where its interpreter is missing."""
    listening = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    server = ConsoleServer(app, make_settings().console, listening)
    ready = threading.Event()
    thread = threading.Thread(target=server.serve, args=(ready.set,))
    thread.start()
    started: list[subprocess.Popen[str]] = []

    def begin(name: str, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        if shutil.which(NEEDS[name]) is None:
            pytest.skip(f"{NEEDS[name]} is not installed")
        given = {
            **os.environ,
            "TASKSERVER_URL": url,
            "TASKSERVER_TOKEN": make_program(Role.OPERATOR, "acme").token,
            "TASKSERVER_CLIENT": "acme",
            "TASKSERVER_INTERVAL": "0.2",
        }
        process = subprocess.Popen(
            [*PROGRAMS[name], str(EXAMPLES / name), *arguments],
            env={**given, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    assert ready.wait(60)
    yield begin
    for process in started:
        process.kill()
        process.communicate()
    server.stop()
    thread.join(60)


@pytest.mark.parametrize("name", ["queue.php", "queue.pl"])
def test_it_queues_a_job_and_shows_it(store, start, name):
    output, errors = start(name, "ocr", '{"path": "/scans/ä"}').communicate(timeout=120)

    waiting = store.jobs.find(client="acme", status="waiting")
    mine = [job["id"] for job in waiting if job["data"] == {"path": "/scans/ä"}]
    assert errors == ""
    assert [output] == [f"job {job_id} is waiting: OCR /scans/ä\n" for job_id in mine]


@pytest.mark.parametrize("name", list(PROGRAMS))
def test_it_tells_in_a_sentence_why_nothing_was_queued(start, name):
    process = start(name, "ocr", '{"path": 7}')
    _, errors = process.communicate(timeout=120)

    assert process.returncode == 2
    assert "wrong arguments for task 'ocr'" in errors


@pytest.mark.parametrize(("outcome", "code"), [(Outcome.finished("done"), 0), (Outcome.failed("no paper"), 1)])
def test_the_one_with_curl_waits_for_the_end(store, node, start, outcome, code):
    process = start("queue.sh", "ocr", '{"path": "/scans/1"}')

    def queued() -> list[int]:
        jobs = store.jobs.find(client="acme", status="waiting")
        return [job["id"] for job in jobs if job["data"] == {"path": "/scans/1"}]

    eventually(queued, what="the job")
    node.end(node.claim(queued()[0]), outcome)
    output, _ = process.communicate(timeout=120)

    assert process.returncode == code
    assert output.startswith("job ")
