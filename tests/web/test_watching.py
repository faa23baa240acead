"""/healthz, /readyz, /metrics: what strangers are told, who gets figures, and that Prometheus can read them."""

from __future__ import annotations

import logging

import pytest
from browsing import Browser
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_families
from prometheus_client.parser import text_string_to_metric_families as families

from taskserver.database import DatabaseUnavailable
from taskserver.jobs import Outcome
from taskserver.store import Role
from taskserver.web.security.tokens import new_token

pytestmark = pytest.mark.only_on("sqlite")  # what differs between databases is tested in tests/store


@pytest.fixture
def token_of(store):
    """The Authorization header of a new token."""

    def make(role=Role.VIEWER, client=None):
        token = new_token()
        name = f"{role} of {client}"
        store.tokens.add(name, token.hash, prefix=token.prefix, role=role, client=client, created_by="x")
        return {"Authorization": f"Bearer {token.text}"}

    return make


def samples(text):
    return {(s.name, *sorted(s.labels.values())): s.value for family in families(text) for s in family.samples}


def test_the_process_tells_strangers_that_it_lives_whatever_the_database_does(app, stranger, monkeypatch):
    def away(*_):
        raise DatabaseUnavailable(database="d", reason="away")

    monkeypatch.setattr(app.state.console.store.database, "read", away)

    answer = stranger.get("/healthz", headers={"Cookie": "taskserver_session=x", "Authorization": "Bearer tsk_x"})

    assert (answer.status_code, answer.text) == (200, "ok\n")
    assert stranger.http.head("/healthz").status_code == 200
    assert "set-cookie" not in answer.headers


def test_it_is_ready_while_a_task_server_takes_work(stranger, node, daemon, monkeypatch):
    monkeypatch.setattr("taskserver.web.status.KEPT_SECONDS", -1)
    ready = stranger.get("/readyz")
    daemon.state = "draining"
    drains = stranger.get("/readyz")

    assert (ready.status_code, ready.text) == (200, "ok\n")
    assert (drains.status_code, drains.text) == (503, "no task server takes work\n")


def test_it_is_not_ready_without_a_heartbeat(stranger, node, clock):
    clock.advance(minutes=2)

    answer = stranger.get("/readyz")

    assert (answer.status_code, answer.text) == (503, "no task server takes work\n")


def test_a_daemon_that_is_known_to_be_dead_is_not_waited_for(stranger, node, daemon):
    daemon.state = "dead"

    assert stranger.get("/readyz").status_code == 503


def test_one_elsewhere_is_enough(stranger, make_node, daemon):
    make_node("there")
    daemon.state = "stopped"

    assert stranger.get("/readyz").status_code == 200


def test_it_is_not_ready_without_its_database_and_says_nothing_of_it(app, stranger, monkeypatch):
    def away(*_):
        raise DatabaseUnavailable(database="postgresql://secret@host/name", reason="away")

    monkeypatch.setattr(app.state.console.store.database, "read", away)

    answer = stranger.get("/readyz")

    assert (answer.status_code, answer.text) == (503, "the database does not answer\n")


def test_what_watches_fills_no_log(stranger, token_of, node, caplog):
    header = token_of()

    with caplog.at_level(logging.INFO, "taskserver.web"):
        for path in ("/healthz", "/readyz", "/metrics"):
            assert stranger.http.get(path, headers=header).status_code == 200
        assert caplog.text == ""
        stranger.http.get("/metrics")

    assert '"GET /metrics" 401' in caplog.text


def test_the_figures_are_closed_to_strangers(stranger):
    for headers in ({}, {"Authorization": "Bearer tsk_wrong"}, {"Authorization": "Basic eDp5"}):
        answer = stranger.http.get("/metrics", headers=headers)

        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"
        assert answer.headers["content-type"].startswith("text/plain")


def test_a_token_of_one_client_sees_no_figures(stranger, acme, token_of):
    answer = stranger.http.get("/metrics", headers=token_of(Role.ADMINISTRATOR, "acme"))

    assert answer.status_code == 403
    assert "viewer for all clients" in answer.text
    assert "taskserver_" not in answer.text


def test_what_is_kept_of_an_answer_is_for_nobody_else(stranger, acme, token_of):
    stranger.http.get("/metrics", headers=token_of())

    assert stranger.http.get("/metrics", headers=token_of(Role.VIEWER, "acme")).status_code == 403


def test_a_viewer_of_all_clients_sees_them_in_the_browser(signed_in, node):
    browser = signed_in(Role.VIEWER)

    assert "taskserver_slots" in browser.get("/metrics").text


def test_the_token_may_stand_in_a_file_and_change_there(make_app, node, tmp_path):
    file = tmp_path / "token"
    file.write_text("prometheus-may-see\n")
    browser = Browser(make_app(metrics_token_file=str(file)))

    def ask(token):
        return browser.http.get("/metrics", headers={"Authorization": f"Bearer {token}"}).status_code

    before = ask("prometheus-may-see"), ask("something else"), ask("")
    elsewhere = browser.http.get("/api/v1/jobs", headers={"Authorization": "Bearer prometheus-may-see"})
    file.write_text("another")
    changed = ask("prometheus-may-see"), ask("another")
    file.write_text(" \n")
    empty = ask("another"), ask("")
    file.unlink()
    gone = ask("another")

    assert before == (200, 401, 401)
    assert elsewhere.status_code == 401
    assert changed == (401, 200)
    assert (empty, gone) == ((401, 401), 401)


def test_prometheus_reads_them(stranger, acme, bolt, token_of, node, clock):
    node.beat()
    clock.advance(seconds=7)

    answer = stranger.http.get("/metrics", headers=token_of())

    found = samples(answer.text)
    assert answer.headers["content-type"].startswith("text/plain; version=")
    assert found["taskserver_jobs", "acme", "waiting"] == 2
    assert found["taskserver_jobs", "bolt", "failed"] == 1
    assert found["taskserver_jobs", "bolt", "stopping"] == 0
    assert found["taskserver_jobs", "default", "waiting"] == 0
    assert found["taskserver_oldest_waiting_job_age_seconds", "acme"] >= 7
    assert found["taskserver_runs_completed_total", "finished", "ocr"] == 4
    assert found["taskserver_runs_completed_total", "failed", "ocr"] == 2
    assert found["taskserver_run_duration_seconds_count", "ocr"] == 6
    assert found["taskserver_run_duration_seconds_bucket", "+Inf", "ocr"] == 6
    assert found["taskserver_run_wait_seconds_bucket", "60.0", "ocr"] == 6
    assert found["taskserver_slots", "here"] == 4
    assert found["taskserver_slots_busy", "here"] == 2
    assert found["taskserver_node_memory_bytes", "here"] == 50 << 20
    assert found["taskserver_node_claiming", "here"] == 1
    assert clock.now.timestamp() - found["taskserver_node_heartbeat_timestamp_seconds", "here"] == 7
    assert found[("taskserver_autostart",)] == 1


def test_it_speaks_openmetrics_where_that_is_asked_for(stranger, acme, token_of):
    accept = {"Accept": "application/openmetrics-text; version=1.0.0"}

    answer = stranger.http.get("/metrics", headers={**token_of(), **accept})

    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    assert answer.text.endswith("# EOF\n")
    assert {family.name for family in open_families(answer.text)} >= {
        "taskserver_jobs",
        "taskserver_run_wait_seconds",
    }


def test_names_and_units_are_the_conventional_ones(stranger, acme, token_of):
    text = stranger.http.get("/metrics", headers=token_of()).text

    for family in families(text):
        assert family.name.startswith("taskserver_")
        assert family.documentation.endswith(".")
        if family.type == "histogram":
            assert family.name.endswith("_seconds")
    assert not [line for line in text.splitlines() if "_ms" in line or "minutes" in line]


def test_an_answer_is_kept_for_some_seconds_and_counts_on_then(app, stranger, acme, node, token_of, monkeypatch):
    header = token_of()
    first = samples(stranger.http.get("/metrics", headers=header).text)
    node.end(node.claim(acme.jobs["waiting"]), Outcome.finished())

    kept = samples(stranger.http.get("/metrics", headers=header).text)
    monkeypatch.setattr("taskserver.web.metrics.KEPT_SECONDS", -1)
    anew = samples(stranger.http.get("/metrics", headers=header).text)

    key = ("taskserver_runs_completed_total", "finished", "ocr")
    assert kept[key] == first[key]
    assert anew[key] == first[key] + 1


def test_they_lie_below_the_root_path_and_check_the_host(make_app, node):
    browser = Browser(make_app(root_path="/tasks"))

    assert browser.http.get("/tasks/healthz").status_code == 200
    assert browser.http.get("/healthz", headers={"Host": "evil.example.com"}).status_code == 400
