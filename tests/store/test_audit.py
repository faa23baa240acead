from __future__ import annotations

import pytest

from taskserver.store.errors import WrongStatus


def test_the_audit_tells_who_did_what_when_from_where(store, clock):
    job_id = store.jobs.enqueue("ocr").id

    store.audit.write(
        "job.stop", actor="anna", source="10.0.0.1", client_id=1, job_id=job_id, detail={"was": "wartend ✓"}
    )

    (row,) = store.audit.find()
    assert {name: row[name] for name in ("at", "actor", "source", "action", "client", "job_id", "detail")} == {
        "at": clock.now,
        "actor": "anna",
        "source": "10.0.0.1",
        "action": "job.stop",
        "client": "default",
        "job_id": job_id,
        "detail": {"was": "wartend ✓"},
    }


def test_rows_are_found_by_what_they_tell(store, clock):
    acme = store.clients.add("acme")["id"]
    store.audit.write("job.stop", actor="anna", client_id=1, job_id=5)
    clock.advance(hours=1)
    store.audit.write("job.stop", actor="bert", client_id=acme, job_id=6)
    store.audit.write("user.add", actor="anna")

    def found(**wanted):
        return [(row["actor"], row["action"]) for row in store.audit.find(**wanted)]

    assert found() == [("anna", "user.add"), ("bert", "job.stop"), ("anna", "job.stop")]
    assert found(actor="bert") == [("bert", "job.stop")]
    assert found(action="user.add") == found(actor="anna", since=clock.now) == [("anna", "user.add")]
    assert found(job_id=5) == found(until=clock.now) == [("anna", "job.stop")]
    assert found(visible=[acme]) == [("bert", "job.stop")]
    assert found(visible=[]) == []
    newest = store.audit.find(limit=1)[0]["id"]
    assert found(before_id=newest, limit=1) == [("bert", "job.stop")]


def test_an_action_and_its_row_are_there_together(store):
    job_id = store.jobs.enqueue("ocr").id

    with store.together():
        store.jobs.stop(job_id)
        store.audit.write("job.stop", actor="anna", job_id=job_id)

    assert store.jobs.get(job_id)["status"] == "stopped"
    assert len(store.audit.find(job_id=job_id)) == 1


def test_without_its_row_an_action_is_not_done_nor_a_row_without_its_action(store):
    job_id = store.jobs.enqueue("ocr").id

    with pytest.raises(ZeroDivisionError), store.together():
        store.jobs.stop(job_id)
        store.audit.write("job.stop", actor="anna", job_id=job_id)
        1 / 0  # noqa: B018
    with pytest.raises(WrongStatus), store.together():
        store.audit.write("job.kill", actor="anna", job_id=job_id)
        store.jobs.kill(job_id)

    assert store.jobs.get(job_id)["status"] == "waiting"
    assert store.audit.find() == []


def test_the_audit_is_read_on_from_both_sides(store):
    acme = store.clients.add("acme")["id"]
    for number in range(7):
        store.audit.write("job.stop", actor=f"user {number}", client_id=acme if number % 2 else None)
    ids = [row["id"] for row in store.audit.find()]

    def found(**wanted):
        return [row["id"] for row in store.audit.find(**wanted)]

    assert found(before_id=ids[1], limit=3) == ids[2:5]
    assert found(after_id=ids[5], limit=3) == ids[2:5]
    assert found(after_id=ids[0]) == []
    assert found(client_id=acme) == ids[1::2]
