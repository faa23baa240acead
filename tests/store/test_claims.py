from __future__ import annotations

from collections import Counter
from datetime import timedelta

from taskserver.jobs import Outcome, Report, Status


def test_a_plain_insert_is_claimed_with_its_data(store, node):
    with store.database.write() as connection:
        connection.exec_driver_sql("""INSERT INTO jobs (task, data) VALUES ('ocr', '{"path": "/scans/4711"}')""")

    (claim,) = node.claim(free=4)

    assert claim.task == "ocr"
    assert claim.data == {"path": "/scans/4711"}
    assert (claim.client, claim.login) == ("default", "default")
    assert store.jobs.get(claim.job_id)["status"] == Status.RUNNING


def test_jobs_are_claimed_by_priority_then_in_the_order_they_came(store, node):
    first = store.jobs.enqueue("ocr").id
    second = store.jobs.enqueue("ocr").id
    urgent = store.jobs.enqueue("ocr", priority=5).id

    claims = node.claim(free=3)

    assert [claim.job_id for claim in claims] == [urgent, first, second]


def test_many_at_once_keep_their_order(store, node):
    ids = store.jobs.enqueue_many("ocr", [{"page": number} for number in range(50)])

    claims = node.claim(free=50)

    assert [claim.job_id for claim in claims] == ids
    assert [claim.data["page"] for claim in claims] == list(range(50))


def test_the_clients_take_turns(store, node):
    for name in ("acme", "beta", "cern"):
        store.clients.add(name, login="clerk")
    store.jobs.enqueue_many("ocr", [{}] * 100, client="acme")
    store.jobs.enqueue_many("ocr", [{}] * 3, client="beta")
    store.jobs.enqueue_many("ocr", [{}] * 3, client="cern")

    claims = node.claim(free=9)

    assert Counter(claim.client for claim in claims) == {"acme": 3, "beta": 3, "cern": 3}
    assert [claim.client for claim in claims[:3]] == ["acme", "beta", "cern"]


def test_what_one_client_leaves_over_goes_to_the_others(store, node):
    store.clients.add("acme", login="clerk")
    store.jobs.enqueue_many("ocr", [{}] * 100, client="acme")
    store.jobs.enqueue("ocr")

    claims = node.claim(free=10)

    assert Counter(claim.client for claim in claims) == {"acme": 9, "default": 1}


def test_single_slots_go_round_robin_over_the_turns(store, node):
    for name in ("acme", "beta"):
        store.clients.add(name, login="clerk")
        store.jobs.enqueue_many("ocr", [{}] * 3, client=name)

    order = [node.claim(free=1)[0].client for _ in range(6)]

    assert order == ["acme", "beta"] * 3


def test_a_client_without_a_login_runs_nothing(store, node):
    store.clients.add("acme")
    store.jobs.enqueue("ocr", client="acme")

    nothing = node.claim(free=4)
    store.clients.set_login("acme", "clerk")
    (claim,) = node.claim(free=4)

    assert nothing == []
    assert (claim.client, claim.login) == ("acme", "clerk")


def test_a_limited_task_never_runs_more_often_than_its_limit(store, make_node):
    node = make_node(tasks={"ocr": None, "invoices": 2})
    store.jobs.enqueue_many("invoices", [{}] * 5)
    store.jobs.enqueue_many("ocr", [{}] * 2)

    first = node.claim(free=10)
    second = node.claim(free=10)
    finished = [(claim, Outcome.finished()) for claim in first if claim.task == "invoices"][:1]
    node.turn(*finished)
    third = node.claim(free=10)

    assert Counter(claim.task for claim in first) == {"invoices": 2, "ocr": 2}
    assert second == []
    assert [claim.task for claim in third] == ["invoices"]


def test_a_plain_insert_of_a_limited_task_keeps_the_limit(store, make_node):
    node = make_node(tasks={"ocr": None, "invoices": 1})
    with store.database.write() as connection:
        for _ in range(30):
            connection.exec_driver_sql("INSERT INTO jobs (task) VALUES ('invoices')")
        connection.exec_driver_sql("INSERT INTO jobs (task) VALUES ('ocr')")

    claims = node.claim(free=10)

    assert Counter(claim.task for claim in claims) == {"invoices": 1, "ocr": 1}


def test_a_limited_client_never_runs_more_than_its_limit(store, node):
    store.clients.add("acme", login="clerk", max_parallel=2)
    store.jobs.enqueue_many("ocr", [{}] * 5, client="acme")
    store.jobs.enqueue("ocr")

    claims = node.claim(free=10)

    assert Counter(claim.client for claim in claims) == {"acme": 2, "default": 1}


def test_a_task_that_no_node_offers_stays_waiting_and_lets_others_pass(store, node):
    with store.database.write() as connection:
        connection.exec_driver_sql("INSERT INTO jobs (task) VALUES ('unknown')")
    store.jobs.enqueue("ocr")

    claims = node.claim(free=4)

    assert [claim.task for claim in claims] == ["ocr"]
    assert store.jobs.counts()["waiting"] == 1


def test_a_job_for_another_node_is_left_to_it(store, make_node):
    here, there = make_node("here"), make_node("there")
    with store.database.write() as connection:
        connection.exec_driver_sql("INSERT INTO jobs (task, node_id) VALUES ('ocr', 'there')")

    assert here.claim(free=4) == []
    assert len(there.claim(free=4)) == 1


def test_a_node_may_take_only_its_own_jobs(store, node):
    store.jobs.enqueue("ocr")
    mine = store.jobs.enqueue("ocr", node_id="here").id

    claims = node.claim(free=4, only_own_jobs=True)

    assert [claim.job_id for claim in claims] == [mine]


def test_a_job_of_the_future_is_claimed_when_its_time_has_come(store, node, clock):
    store.jobs.enqueue("ocr", run_at=clock.now + timedelta(hours=1))

    early = node.turn(free=4)
    clock.advance(hours=1)
    late = node.claim(free=4)

    assert early.claims == []
    assert early.next_due == timedelta(hours=1)
    assert len(late) == 1


def test_an_inactive_job_is_not_claimed_until_it_is_active(store, node):
    job = store.jobs.enqueue("ocr", active=False)

    nothing = node.claim(free=4)
    with store.database.write() as connection:
        connection.exec_driver_sql("UPDATE jobs SET active = (1 = 1)")
    (claim,) = node.claim(free=4)

    assert nothing == []
    assert claim.job_id == job.id


def test_without_autostart_only_jobs_started_by_hand_are_claimed(store, node):
    store.switches.set_autostart(False)
    store.jobs.enqueue("ocr")
    by_hand = store.jobs.enqueue("ocr").id
    store.jobs.start(by_hand)

    turn = node.turn(free=4)

    assert [claim.job_id for claim in turn.claims] == [by_hand]
    assert turn.autostart is False
    assert turn.waiting == 1


def test_two_nodes_never_claim_the_same_job(store, make_node):
    here, there = make_node("here"), make_node("there")
    store.jobs.enqueue_many("ocr", [{}] * 40)

    claimed = [claim.job_id for _ in range(4) for node in (here, there) for claim in node.claim(free=5)]

    assert len(claimed) == len(set(claimed)) == 40


def test_a_claim_reads_back_as_it_was_given(store, node):
    store.jobs.enqueue("ocr", {"page": 1}, max_attempts=4)
    (claim,) = node.claim()

    assert node.dispatch.own_claims(node.row) == [claim]


def test_a_lost_claim_cannot_finish_the_job(store, node, make_node, clock):
    store.jobs.enqueue("ocr")
    (claim,) = node.claim()

    clock.advance(minutes=5)
    other = make_node("other")
    store.nodes.rescue(other.row, predecessors_are_dead=False)
    turn = node.turn((claim, Outcome.finished("too late")))

    assert turn.lost == {claim.run_id}
    assert turn.accepted == set()
    assert store.jobs.get(claim.job_id)["status"] == Status.WAITING
    assert store.runs.get(claim.run_id)["status"] == "lost"


def test_reports_of_a_lost_claim_change_nothing(store, node, make_node, clock):
    store.jobs.enqueue("ocr")
    (claim,) = node.claim()
    clock.advance(minutes=5)
    store.nodes.rescue(make_node("other").row, predecessors_are_dead=False)

    turn = node.turn(reports=[Report(run_id=claim.run_id, job_id=claim.job_id, progress=70.0)])

    assert turn.lost == {claim.run_id}
    assert store.jobs.get(claim.job_id)["progress"] is None
