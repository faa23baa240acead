"""Configuration files on disk, and a file shaped like kivitendo's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from taskserver.config import ConfigurationError, load

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a configuration file; its name tells the format."""

    def write_file(name: str, content: str | bytes, mode: int = 0o640) -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        path.chmod(mode)
        return path

    return write_file


@pytest.fixture
def faults_of(write: Write) -> Callable[..., list[str]]:
    """The messages for a broken configuration. Fails when it is accepted."""

    def load_broken(name: str, content: str | bytes, mode: int = 0o640) -> list[str]:
        with pytest.raises(ConfigurationError) as caught:
            load(write(name, content, mode))
        return caught.value.message().splitlines()

    return load_broken


@pytest.fixture
def kivitendo_conf() -> bytes:
    """A file of kivitendo's shape: foreign sections with everything that they may hold, and ours."""
    return """\
[authentication]
# Das Passwort für die Verwaltung
admin_password = geheim%1

[authentication/database]
host     = localhost
password =

[system]
language = de
language = en
default_manager = german
# Numbers can be postfixed with KB, MB, GB.
memory_limit_rss =
memory_limit_vsz =

[paths]
userspath = users

[mail_delivery]
sendmail = /usr/sbin/sendmail -t<%if myconfig_email%> -f <%myconfig_email%><%end%>
Absender: Müller & Söhne
a line without a key

[task_server]
# Set to 1 for debug messages
debug = 1
run_as =
node_id = erp1
only_run_tasks_for_this_node = 0

[task_server/notify_on_failure]
# Empfänger für Fehlschläge
send_email_to  =
email_from     = kivitendo Daemon <root@localhost>
email_subject  = Aufträge: fehlgeschlagen
email_template = templates/webpages/task_server/failure_notification_email.txt

[self_test]
modules = Transactions

[console]
client =
login =
#autorun = require "bin/mozilla/common.pl";
#        = use English qw(-no_match_vars);

[debug]
dbix_log4perl_config = log4perl.logger = FATAL, LOGFILE
                     = log4perl.appender.LOGFILE=Log::Log4perl::Appender::File
                     = log4perl.appender.LOGFILE.layout.ConversionPattern=[%r] %F %L %c - %m%n
                     = log4perl.logger.DBIx.Log4perl=DEBUG, A1

[debug]
again = 1
[broken
""".encode("latin-1")
