"""The address of the job database: what may be written, how it is completed, what of it is secret.

Configuration speaks SQLAlchemy's URLs without importing SQLAlchemy. Which databases there are, and how a short
name is completed with its driver, is the only thing known about them here.
"""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import quote

from taskserver.config.faults import WrongValue, nearest
from taskserver.texts import mark

_DRIVERS = {
    "sqlite": "sqlite",
    "sqlite+pysqlite": "sqlite",
    "postgres": "postgresql+psycopg",
    "postgresql": "postgresql+psycopg",
    "postgresql+psycopg": "postgresql+psycopg",
}
_KNOWN = ("sqlite", "postgresql")
_URL = re.compile(r"([A-Za-z][\w+.-]*)://(?:([^:/@]*)(?::([^@]*))?@)?(.*)")
_QUERY_PASSWORD = re.compile(r"([?&](?:ssl)?password=)([^&]*)")
_FILE = "sqlite:///"
_HIDDEN = "***"


def sqlite_url(file: Path) -> str:
    return f"{_FILE}{file}"


def normalised(text: str) -> str:
    """The URL with its driver. Raises WrongValue, whose sentence never quotes the URL: it may hold a password."""
    if not text.isprintable():
        raise WrongValue(mark("must be a database URL on one line, without control characters"))
    match = _URL.fullmatch(text)
    if not match:
        raise WrongValue(
            mark("must be a database URL, as sqlite:////var/lib/tasks.sqlite or postgresql://HOST/NAME")
        )
    scheme, rest = match[1].lower(), text[len(match[1]) :]
    if scheme not in _DRIVERS:
        raise _unknown_database(match[1])
    if _DRIVERS[scheme] == "sqlite":
        _check_file(rest)
    else:
        _check_server(match[4])
    return _DRIVERS[scheme] + rest


def _unknown_database(scheme: str) -> WrongValue:
    near = nearest(scheme, _KNOWN)
    if near:
        return WrongValue(mark("names the database {name!r}; did you mean {near!r}?"), name=scheme, near=near)
    known = ", ".join(_KNOWN)
    return WrongValue(
        mark("names the database {name!r}; the task server works with: {known}"), name=scheme, known=known
    )


def _check_file(rest: str) -> None:
    file = rest.removeprefix(":///")
    if file == rest:
        raise WrongValue(mark("needs three slashes before a relative file and four before an absolute one"))
    if file in ("", ":memory:") or file.startswith("file:"):
        raise WrongValue(mark("must name a file: jobs in memory would be lost when the daemon stops"))
    if "?" in file:
        raise WrongValue(mark("must name a file alone, without anything behind a question mark"))


def _check_server(rest: str) -> None:
    host, _, query = rest.partition("?")
    if "@" in host:
        raise WrongValue(mark("holds more than one @; one in a password is written %40"))
    place, slash, name = host.partition("/")
    port = re.fullmatch(r"(?:\[[^\[\]]*\]|[^:\[\]]*)(?::(\d*))?", place.split(",")[-1])
    if not port or int(port[1] or 1) not in range(1, 65536):
        raise WrongValue(mark("has a port that is no number from 1 to 65535"))
    if not (slash and name) and "dbname=" not in query and "service=" not in query:
        raise WrongValue(mark("must name the database behind the host, as postgresql://HOST/NAME"))


def is_file(url: str) -> bool:
    return url.startswith(_FILE)


def file_of(url: str) -> Path | None:
    """The file in which the database lies; None where a server keeps it."""
    return Path(url.removeprefix(_FILE)) if is_file(url) else None


def placed(url: str, base: Path) -> str:
    """The URL with a relative file made absolute below `base`."""
    return sqlite_url(base / url.removeprefix(_FILE)) if is_file(url) else url


def password_of(url: str) -> str | None:
    """The password in the URL, as it is written there; None without one."""
    match = _URL.fullmatch(url)
    if is_file(url) or not match:
        return None
    if match[3]:
        return match[3]
    query = _QUERY_PASSWORD.search(url)
    return query[2] or None if query else None


def hidden(url: str) -> str:
    """The URL with *** for its password."""
    if not password_of(url):
        return url
    match = _URL.fullmatch(url)
    if match and match[3]:
        url = f"{match[1]}://{match[2]}:{_HIDDEN}@{match[4]}"
    return _QUERY_PASSWORD.sub(rf"\g<1>{_HIDDEN}", url)


def has_user(url: str) -> bool:
    match = _URL.fullmatch(url)
    return bool(match and match[2])


def lacks_password(url: str) -> bool:
    """Whether the URL names a server's user and leaves the password to others."""
    return not is_file(url) and has_user(url) and not password_of(url)


def with_password(url: str, password: str) -> str:
    """The URL of a server, which has a user, with `password` for it."""
    match = _URL.fullmatch(url)
    assert match  # noqa: S101  the URL was normalised before
    return f"{match[1]}://{match[2]}:{quote(password, safe='')}@{match[4]}"
