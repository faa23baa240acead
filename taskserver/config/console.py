"""The keys of `[task_server.console]`: the web console, its address and its limits.

`models` has them as one table of the settings. Nothing here knows what the console does with them.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from taskserver.config.compound_kinds import ListOf
from taskserver.config.kinds import Duration, FilePath, Flag, Size, Text, WholeNumber
from taskserver.texts import mark

_DAY = 86400

_HOST = Text(
    pattern=r"[A-Za-z0-9_.:-]+", wanted=mark("must be an address or a host name without its port, not {value}")
)
_NAME = Text(
    pattern=r"\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]+(:[0-9]{1,5})?",
    wanted=mark("must be a host name as tasks.example.com, not {value}"),
)
_PROXY = Text(
    pattern=r"[0-9A-Fa-f.:]+(/[0-9]{1,3})?", wanted=mark("must be an IP address or a network, not {value}")
)
_ROOT = Text(
    pattern=r"(/[A-Za-z0-9._~-]+)*",
    wanted=mark("must be a path as /tasks, without a slash at its end, not {value}"),
    empty=True,
)
_URL = Text(
    pattern=r"https?://[A-Za-z0-9_.\[\]:-]+",
    wanted=mark("must be an address as https://tasks.example.com, without a path, not {value}"),
    optional=True,
)


class ConsoleSettings(BaseModel):
    """The web console and its API. They need .venv/bin/pip install -e '.[console]' in the clone."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    enabled: Annotated[bool, Flag()] = Field(
        default=False, description="Whether the daemon serves the console, in a process of its own."
    )
    host: Annotated[str, _HOST] = Field(
        default="127.0.0.1", description="The address it listens on. 127.0.0.1: this machine alone."
    )
    port: Annotated[int, WholeNumber(1, 65535)] = Field(default=8742, description="The port it listens on.")
    root_path: Annotated[str, _ROOT] = Field(
        default="", description="The path below which a reverse proxy shows it, as /tasks. Empty: at the top."
    )
    public_url: Annotated[str | None, _URL] = Field(
        default=None,
        description="The address that people type when a reverse proxy stands before it, as "
        "https://erp.example.com; root_path follows it. Cookies are kept to https when it begins so.",
    )
    allowed_hosts: Annotated[tuple[str, ...], ListOf(_NAME)] = Field(
        default=(),
        description="Further names by which it may be called; host, public_url, localhost, 127.0.0.1 and [::1] "
        "are allowed anyway. Requests for any other name are refused.",
    )
    trusted_proxies: Annotated[tuple[str, ...], ListOf(_PROXY)] = Field(
        default=(),
        description="Addresses of reverse proxies whose X-Forwarded-For and X-Forwarded-Proto are believed. "
        "None: everybody is who the connection says.",
    )
    tls_certificate: Annotated[Path | None, FilePath(optional=True)] = Field(
        default=None, description="A file with the certificate and its chain (PEM), to serve https itself."
    )
    tls_key: Annotated[Path | None, FilePath(optional=True)] = Field(
        default=None, description="The file with its private key; only the daemon's user should read it."
    )
    refresh_interval: Annotated[timedelta, Duration(0.5, 3600)] = Field(
        default=timedelta(seconds=2), description="How often a page in the browser brings itself up to date."
    )
    session_lifetime: Annotated[timedelta, Duration(60, 31 * _DAY)] = Field(
        default=timedelta(hours=12),
        description="How long a login lasts at most. Without a click it ends after a quarter of that, but not "
        "before 30 minutes.",
    )
    show_task_manager: Annotated[bool, Flag()] = Field(
        default=True,
        description="Whether the page of jobs is in the navigation. The daemon runs jobs all the same.",
    )
    show_sample_task: Annotated[bool, Flag()] = Field(
        default=False, description="Whether the sample task is among those that may be queued from the pages."
    )
    body_limit: Annotated[int, Size(64 * 1024, 1 << 30)] = Field(
        default=8 << 20, description="The largest request that is read, in bytes or with KB, MB, GB."
    )
    metrics_token_file: Annotated[Path | None, FilePath(optional=True)] = Field(
        default=None,
        description="A file that holds the token Prometheus must send for /metrics, and nothing else. Not set: "
        "an API token with a role for all clients is needed.",
    )
