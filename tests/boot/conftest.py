"""Guests for the tests of booting, where they are possible; elsewhere these tests are skipped, with the reason."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import installation
import machine
import pytest
import systemd_guest
import systemd_service


@pytest.fixture(scope="session")
def bootable() -> None:
    """Asked for by every test that boots: skips where it can't be done."""
    obstacle = machine.obstacle()
    if obstacle:
        pytest.skip(obstacle)


@pytest.fixture(scope="session")
def installation_layer(bootable: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The layer with `/opt/taskserver` for the machines of this session."""
    try:
        return installation.build(tmp_path_factory.mktemp("boot") / "installation")
    except installation.NoInterpreter as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def systemd_machine(installation_layer: Path) -> Iterator[machine.Machine]:
    """A guest with systemd in which the task server is installed; booted once for a module."""
    if not Path(systemd_guest.PROGRAM).exists():
        pytest.skip("systemd is not installed: install systemd")
    with machine.Machine(systemd_guest.SYSTEMD, layers=[installation_layer]) as booted:
        systemd_service.prepare(booted)
        booted.boot()
        yield booted


@pytest.fixture
def service(systemd_machine: machine.Machine) -> Iterator[systemd_service.Service]:
    """The unit task-server.service as it is shipped, not started."""
    service = systemd_service.Service(systemd_machine)
    service.reset()
    yield service
    service.reset()
