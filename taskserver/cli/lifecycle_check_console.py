"""`check` on the console: its packages, its address, its certificate, its token. Only where it is enabled."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from typing import TYPE_CHECKING

from taskserver.cli.lifecycle_finding import Finding
from taskserver.errors import EXIT_ERROR, EXIT_NOT_CONFIGURED, TaskServerError
from taskserver.texts import system_words, translate
from taskserver.web.packages import require_packages

if TYPE_CHECKING:
    from taskserver.config import ConsoleSettings

AREA = "console"


def console_findings(settings: ConsoleSettings, *, running: bool) -> Iterator[Finding]:
    """What would keep it from being served. `running`: the daemon has its port, which is tried by nobody then."""
    if not settings.enabled:
        return
    try:
        require_packages()
    except TaskServerError as error:
        yield Finding.of(AREA, error)
        return
    if not running:
        yield from _address(settings)
    yield from _certificate(settings)
    yield from _token(settings)


def _address(settings: ConsoleSettings) -> Iterator[Finding]:
    from taskserver.web.serving import CannotListen, bind

    try:
        bind(settings).close()
    except CannotListen as error:
        yield Finding.of(AREA, error)


def _certificate(settings: ConsoleSettings) -> Iterator[Finding]:
    from taskserver.web.serving import CannotUseCertificate

    if settings.tls_certificate is None:
        return
    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(settings.tls_certificate, settings.tls_key)
    except OSError as error:
        reason = system_words(error.strerror) or str(error)
        yield Finding(AREA, CannotUseCertificate(reason=reason).message(), EXIT_NOT_CONFIGURED)


def _token(settings: ConsoleSettings) -> Iterator[Finding]:
    file = settings.metrics_token_file
    if file is None:
        return
    try:
        empty = not file.read_text(encoding="utf-8", errors="replace").strip()
    except OSError as error:
        text = translate(
            "{path} (metrics_token_file) cannot be read: {reason}",
            path=file,
            reason=system_words(error.strerror) or error,
        )
        yield Finding(AREA, text, EXIT_ERROR)
        return
    if empty:
        yield Finding(AREA, translate("{path} (metrics_token_file) is empty", path=file), EXIT_ERROR)
