"""A power cut while jobs are queued: every acknowledged job is there afterwards, and runs.

Not in the default run: it needs qemu and takes minutes. `pytest tests/boot --power-cut` asks for it.
"""

from __future__ import annotations

import pytest
import virtual_machine
from virtual_machine import VirtualMachine

CONFIGURATION = """\
[task_server]
allow_root = true
users_dir = "/var/users"
modules = ["boot_tasks"]
python_path = ["/opt/taskserver/modules"]
node_id = "virtual"
"""
ENOUGH = 30


@pytest.mark.timeout(1200)
def test_acknowledged_jobs_survive_a_power_cut(installation_layer, tmp_path):
    virtual_machine.require()
    kernel = virtual_machine.kernel(tmp_path)
    image = virtual_machine.disk(tmp_path, installation_layer, CONFIGURATION)
    acknowledged: set[int] = set()

    with VirtualMachine(kernel, image, task="queue") as machine:
        for word, *numbers in (line.split() for line in machine.lines()):
            if word == "acknowledged":
                acknowledged.add(int(numbers[0]))
            if len(acknowledged) == ENOUGH:
                break
        machine.cut_power()
    assert len(acknowledged) == ENOUGH, machine.console

    said: dict[str, set[int]] = {}
    with VirtualMachine(kernel, image, task="look") as machine:
        for word, *numbers in (line.split() for line in machine.lines()):
            said[word] = {int(number) for number in numbers}
            if word in ("finished", "ended"):
                break

    assert acknowledged <= said["found"], machine.console
    assert acknowledged <= said["finished"], machine.console
