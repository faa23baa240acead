"""Whom a line is about, and what it never shows: the values of a job's passwords and tokens."""

from __future__ import annotations

import contextvars
import json
import sys
from dataclasses import replace

import pytest
from log_readers import CLAIM, record

from taskserver.daemon.logs import formats, journal
from taskserver.jobs import Report
from taskserver.log_fields import Fields, about, fields_of, said_by_task, speaking

DATA = {
    "customer": "4711",
    "smtp": {"Password": "hunter22", "host": "mail.example", "auth": [{"api-key": 'it\'s "odd"'}]},
    "access_token": 123456789,
    "secrets": ["first-secret", {"inner": "second-secret"}],
    "pwd": "abc",
    "token": True,
}
SECRETS = ("hunter22", 'it\'s "odd"', "123456789", "first-secret", "second-secret")


def test_a_line_without_extra_is_about_the_run_in_whose_context_it_is_said():
    def within():
        speaking(CLAIM)
        return fields_of(record("x")), fields_of(record("x", **about(replace(CLAIM, job_id=1))))

    inside, named = contextvars.Context().run(within)

    assert (inside.job_id, inside.by_task) == (4711, True)
    assert (named.job_id, named.by_task) == (1, False)
    assert fields_of(record("x")) is None


def test_only_what_is_known_is_named():
    assert Fields().named() == {}
    assert about(Report(12, 4711))["about"].named() == {"job": 4711, "run": 12}
    assert about(CLAIM)["about"].named() == {
        "job": 4711,
        "run": 12,
        "task": "invoices.create",
        "client": "acme",
    }


@pytest.mark.parametrize("extra", [about, said_by_task])
@pytest.mark.parametrize(
    "show",
    [
        formats.text,
        formats.prioritized,
        formats.json_with("erp1"),
        lambda record: journal.entry(journal.fields(record, "erp1")).decode(),
    ],
)
def test_no_form_shows_a_secret(show, extra):
    claim = replace(CLAIM, data=DATA)
    try:
        raise ValueError(f"wrong: {DATA!r}, {json.dumps(DATA)}")
    except ValueError:
        failed = record("data: %s %r %s", DATA, DATA["secrets"], "hunter22", **extra(claim))
        failed.exc_info = sys.exc_info()

    shown = show(failed)

    assert [secret for secret in SECRETS if secret in shown] == []
    assert "mail.example" in shown and "4711" in shown and "***" in shown and "ValueError" in shown
    assert "hunter22" not in show(failed)  # nor the second time


def test_values_too_short_for_a_secret_mutilate_nothing():
    fields = about(replace(CLAIM, data={"pwd": "a", "token": "on", "secret": ""}))["about"]

    assert fields.masked("a banana on the table") == "a banana on the table"
