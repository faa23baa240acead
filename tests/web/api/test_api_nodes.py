"""Nodes over the API: what they tell, and that they can be told to claim nothing more."""

from __future__ import annotations

import pytest

from taskserver.store import Role

pytestmark = pytest.mark.only_on("sqlite")


def test_a_node_tells_what_it_is_and_does(make_program, node, acme):
    node.beat()

    (told,) = make_program(Role.VIEWER).get("/nodes").json()["nodes"]

    assert (told["id"], told["node_id"], told["alive"], told["claiming"]) == (node.row, "here", True, True)
    assert (told["slots"], told["busy"], told["memory_bytes"]) == (4, 1, 50 << 20)


def test_a_node_is_told_to_claim_nothing_and_to_claim_again(store, make_program, node):
    administrator = make_program(Role.ADMINISTRATOR, name="erp")

    stopped = administrator.post(f"/nodes/{node.row}/stop-claiming")
    once_more = administrator.post(f"/nodes/{node.row}/stop-claiming")
    again = administrator.post(f"/nodes/{node.row}/claim")

    assert (stopped.status_code, stopped.json()["claiming"]) == (200, False)
    assert once_more.json() == stopped.json()
    assert again.json()["claiming"] is True
    assert [(row["actor"], row["action"]) for row in store.audit.find()] == [
        ("token erp", "node.claim"),
        ("token erp", "node.stop_claiming"),
        ("token erp", "node.stop_claiming"),
    ]


def test_what_is_no_node_is_not_found(store, make_program, node):
    administrator = make_program(Role.ADMINISTRATOR)
    store.nodes.leave(node.row)

    answers = [administrator.post(f"/nodes/{number}/claim") for number in (node.row, 999)]

    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(404, "node-not-found")] * 2


def test_an_operator_does_not_steer_nodes(store, make_program, node):
    refused = make_program(Role.OPERATOR).post(f"/nodes/{node.row}/stop-claiming")

    assert refused.status_code == 403
    assert store.nodes.find()[0]["claiming"] is True
