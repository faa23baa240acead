"""What is said of requests that are wrong: a code for programs, a sentence for people, the fields at fault."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any

import pytest

from taskserver.web.security.limits import BodyLimits

pytestmark = pytest.mark.only_on("sqlite")

JSON = {"content-type": "application/json"}
GERMAN = {"accept-language": "de"}
NEW = {"task": "ocr", "data": {"path": "/scans/1"}, "client": "acme"}


def sent(program, body, **headers):
    """The answer to a body as it stands, whatever it is."""
    return program.ask("POST", "/jobs", content=body, headers={**JSON, **headers})


def test_every_refusal_has_a_code(app, operator, viewer, stranger):
    here = {"host": "localhost:8742"}
    refused = {
        "invalid-request": sent(operator, b"x"),
        "invalid-arguments": operator.post("/jobs", {**NEW, "data": {}}),
        "no-such-page": operator.get("/nothing"),
        "job-not-found": operator.get("/jobs/9999999"),
        "method-not-allowed": operator.ask("PUT", "/jobs"),
        "request-too-large": sent(operator, b"x" * (app.state.console.settings.console.body_limit + 1)),
        "not-signed-in": stranger.http.get("/api/v1/jobs", headers=here),
        "forbidden": viewer.post("/jobs", NEW),
        "unknown-host": operator.get("/jobs", headers={"host": "elsewhere"}),
        "page-gone": operator.get("/jobs", params={"after": "x", "before": "x"}),
    }

    assert {code: each.json().get("code") for code, each in refused.items()} == {code: code for code in refused}
    assert {each.headers["content-type"] for each in refused.values()} == {"application/problem+json"}


def test_a_body_that_does_not_come_has_a_code_too():
    answer: list[dict[str, Any]] = []

    async def reader(scope, receive, send):
        await receive()

    async def never():
        await asyncio.Event().wait()

    async def send(message):
        answer.append(message)

    scope = {"type": "http", "path": "/api/v1/jobs", "client": ("10.0.0.1", 5), "headers": []}
    asyncio.run(BodyLimits(reader, most=10, seconds=0.01)(scope, never, send))

    assert answer[0]["status"] == 408
    assert json.loads(answer[1]["body"])["code"] == "request-too-slow"


def test_bytes_that_are_no_text_at_all_are_no_json(operator):
    for body in (b"\xff\xfe{", b"[" * 100_000):
        answer = sent(operator, body)

        assert (answer.status_code, answer.json()["code"]) == (422, "invalid-request")
        assert answer.json()["detail"] == "the body is no JSON, or is nested too deeply"


def test_the_document_promises_the_code(app):
    problem = app.openapi()["components"]["schemas"]["Problem"]

    assert "code" in problem["required"]


def test_wrong_arguments_are_told_by_argument(operator):
    answer = operator.post("/jobs", {**NEW, "data": {"path": 7, "colour": "red"}})

    assert {each["field"]: each["message"] for each in answer.json()["errors"]} == {
        "path": "must be a text, not 7",
        "colour": "is unknown (known: path, password)",
    }
    german = operator.post("/jobs", {**NEW, "data": {}}, headers=GERMAN)
    assert german.json()["errors"] == [{"field": "path", "message": "fehlt"}]


@pytest.mark.parametrize(
    ("body", "sentence", "german"),
    [
        (b"x", "the body is no JSON: line 1, character 1", "der Inhalt ist kein JSON: Zeile 1, Zeichen 1"),
        (b'{\n  "task": ocr}', "the body is no JSON: line 2, character 11", None),
        (b"{", "the body is no JSON: it ends too early", "der Inhalt ist kein JSON: das Ende kommt zu früh"),
        (b"", "the body is missing", "der Inhalt fehlt"),
        (b"[]", "the body must be an object", "der Inhalt muss ein Objekt sein"),
        (b"{}", "task is missing", "task fehlt"),
        (b'{"task": "a", "x": 1}', "there is no field x", "ein Feld x gibt es nicht"),
        (b'{"task": 1}', "task must be a text", "task muss ein Text sein"),
        (b'{"task": ""}', "task must not be empty", "task darf nicht leer sein"),
        (b'{"task": " "}', "task must not be blank, and must not hold control characters", None),
        (b'{"task": "\\ud800"}', "task must not hold half a character (a lone surrogate)", None),
        (b'{"jobs": [{"task": 1}]}', "jobs.0.task must be a text", None),
        (b'{"jobs": []}', "jobs must have at least 1 element", "jobs muss mindestens 1 Element haben"),
        (b'{"task": "a", "title": "a\\u0000"}', "title must not contain the character NUL", None),
        (
            b'{"task": "a", "title": "' + b"x" * 2001 + b'"}',
            "title must have at most 2000 characters",
            "title darf höchstens 2000 Zeichen haben",
        ),
        (b'{"task": "a", "priority": "5"}', "priority must be a whole number", None),
        (b'{"task": "a", "max_attempts": 0}', "max_attempts must be at least 1", None),
        (b'{"task": "a", "priority": 1000000001}', "priority must be at most 1000000000", None),
        (b'{"task": "a", "active": "yes"}', "active must be true or false", None),
        (b'{"task": "a", "data": []}', "data must be an object", None),
        (
            b'{"task": "a", "unique_for": "x"}',
            "unique_for must be one of 'live', 'ever'",
            "unique_for muss eines von 'live', 'ever' sein",
        ),
        (
            b'{"task": "a", "data": {"path": NaN}}',
            "data must not hold NaN or Infinity, which JSON does not have",
            "data darf NaN und Infinity nicht enthalten, die es in JSON nicht gibt",
        ),
        (
            b'{"task": "a", "run_at": "5"}',
            "run_at must be a time with its zone, such as 2026-12-24T06:00:00Z or 2026-12-24T06:00:00+01:00",
            None,
        ),
    ],
)
def test_what_is_wrong_with_a_body_is_one_sentence(operator, body, sentence, german):
    answer, translated = sent(operator, body), sent(operator, body, **GERMAN)

    assert answer.json()["detail"] == sentence
    assert answer.json()["code"] == "invalid-request"
    assert translated.json()["detail"] != sentence
    assert german is None or translated.json()["detail"] == german
    for each in translated.json()["errors"]:
        assert not re.search(r"\b(must|is|not|there|should|input|valid)\b", each["message"], re.IGNORECASE)


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        ({"bogus": "1"}, "there is no parameter bogus"),
        ({"limit": "x"}, "limit must be a whole number"),
        ({"limit": "0"}, "limit must be at least 1"),
        ({"limit": "501"}, "limit must be at most 500"),
        ({"cron_entry_id": "9" * 5000}, "cron_entry_id is a number of too many digits"),
        (
            {"status": "x"},
            "status.0 must be one of 'waiting', 'running', 'stopping', 'stopped', 'finished', 'failed'",
        ),
        ({"status": ["failed"] * 7}, "status must have at most 6 elements"),
        ({"after": "?"}, "after must match ^[A-Za-z0-9_-]+$"),
        ({"bogus": "1", "other": "2"}, "there is no parameter bogus; there is no parameter other"),
    ],
)
def test_what_is_wrong_with_a_parameter_is_one_sentence(operator, parameters, sentence):
    answer = operator.get("/jobs", params=parameters)

    assert (answer.status_code, answer.json()["detail"]) == (422, sentence)


def test_what_is_refused_before_the_gate_is_told_in_the_reader_s_language(operator):
    answer = operator.get("/jobs", headers={"host": "elsewhere", **GERMAN})

    assert answer.json()["detail"].startswith("Der Host-Header nennt")
