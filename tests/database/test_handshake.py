"""A server that turns us away in its own language: the code of its answer counts, not its words.

The texts are those of PostgreSQL's own catalogues (src/backend/po/de.po and fr.po).
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from taskserver.database import DatabaseRefused, DatabaseUnavailable
from taskserver.database.handshake import Refusals
from taskserver.store import Store

ENCRYPTION = {80877103, 80877104}  # the requests for TLS and for GSSAPI


@contextlib.contextmanager
def server_that_answers(severity: str, code: str, text: str) -> Iterator[tuple[str, list[int]]]:
    """The first words of PostgreSQL's protocol, with this answer to each; the URL and the tries so far."""
    fields = {"S": severity, "V": "FATAL", "C": code, "M": text, "F": "auth.c", "L": "319", "R": "auth_failed"}
    body = b"".join(key.encode() + value.encode() + b"\0" for key, value in fields.items()) + b"\0"
    answer = b"E" + struct.pack("!I", len(body) + 4) + body
    tries: list[int] = []

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                channel, _ = listener.accept()
                with channel, contextlib.suppress(struct.error, ConnectionError):
                    while request(channel) in ENCRYPTION:
                        channel.sendall(b"N")
                    tries.append(1)
                    channel.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        yield f"postgresql://erp:hunter2@127.0.0.1:{listener.getsockname()[1]}/erp", tries
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


def request(channel: socket.socket) -> int:
    (length,) = struct.unpack("!I", channel.recv(4, socket.MSG_WAITALL))
    return int.from_bytes(channel.recv(length - 4, socket.MSG_WAITALL)[:4])


@pytest.mark.parametrize(
    ("severity", "code", "text"),
    [
        ("FATAL", "28P01", "Passwort-Authentifizierung für Benutzer »erp« fehlgeschlagen"),
        (
            "FATAL",
            "28000",
            "kein pg_hba.conf-Eintrag für Host »10.0.0.7«, Benutzer »erp«, Datenbank »erp«, SSL aus",
        ),
        ("FATAL", "28000", "Rolle »erp« existiert nicht"),
        ("FATAL", "28000", "Rolle »erp« hat keine Berechtigung zum Einloggen"),
        ("FATAL", "3D000", "Datenbank »erp« existiert nicht"),
        ("FATAL", "42501", "keine Berechtigung für Datenbank »erp«"),
        ("FATAL", "28P01", "authentification par mot de passe échouée pour l'utilisateur « erp »"),
        ("ВАЖНО", "28P01", 'пользователь "erp" не прошёл проверку подлинности\nC "57P03"'),
    ],
)
def test_a_refusal_is_one_in_every_language(severity, code, text):
    with server_that_answers(severity, code, text) as (url, _), pytest.raises(DatabaseRefused) as refused:
        Store.open(url)

    assert text.split()[0] in str(refused.value)
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("57P03", "das Datenbanksystem startet"),
        ("53300", "die verbleibenden Verbindungen sind für Rollen mit dem SUPERUSER-Attribut reserviert"),
        ("55000", "Datenbank »erp« akzeptiert gegenwärtig keine Verbindungen"),
        ("57P03", 'password authentication failed C "28P01"'),
    ],
)
def test_a_server_that_cannot_take_us_now_is_waited_for(code, text):
    with server_that_answers("FATAL", code, text) as (url, _), pytest.raises(DatabaseUnavailable):
        Store.open(url)


def test_the_same_answer_is_looked_into_once():
    with server_that_answers("FATAL", "28P01", "Passwort-Authentifizierung fehlgeschlagen") as (url, tries):
        port = int(url.rpartition(":")[2].partition("/")[0])
        words = {"host": "127.0.0.1", "port": port, "user": "erp", "password": "hunter2", "context": object()}
        refusals = Refusals()

        codes = [refusals.code("nein", words) for _ in range(3)]

    assert codes == ["28P01"] * 3
    assert len(tries) == 1


def test_no_descriptor_stays_open():
    before = len(list(Path("/proc/self/fd").iterdir()))
    with server_that_answers("FATAL", "28P01", "Passwort-Authentifizierung fehlgeschlagen") as (url, _):
        port = int(url.rpartition(":")[2].partition("/")[0])
        for number in range(5):
            Refusals().code(
                str(number), {"host": "127.0.0.1", "port": port, "user": os.environ.get("USER", "erp")}
            )

    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_where_nobody_listens_there_is_no_code():
    assert Refusals().code("refused", {"host": "127.0.0.1", "port": 1, "user": "erp"}) is None
