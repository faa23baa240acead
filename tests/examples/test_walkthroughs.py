"""The walk-throughs in the examples' READMEs: every command is run, and prints what the README says."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest
from example_installation import ROOT, Installation

pytestmark = pytest.mark.slow

BLOCK = re.compile(r"^```(?P<kind>\w+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("example", ["invoices", "ocr"])
def test_the_walk_through_of_the_readme_works_as_printed(example, tmp_path):
    if example == "ocr" and shutil.which("tesseract") is None:
        pytest.skip("tesseract is missing; on Debian: apt install tesseract-ocr")
    blocks = BLOCK.findall((ROOT / "examples" / example / "README.md").read_text())
    scratch = Installation(tmp_path / "installation", example)
    configuration = scratch.example / "taskserver.toml"
    configuration.write_text(
        configuration.read_text().replace("[task_server]", "[task_server]\nallow_root = true")
    )
    commands = "".join(text for kind, text in blocks if kind == "sh").replace(
        "/tmp/scans", str(tmp_path / "scans")
    )

    try:
        done = subprocess.run(
            ["sh", "-exc", commands],
            stdin=subprocess.DEVNULL,
            cwd=scratch.folder,
            env=scratch.environment,
            capture_output=True,
            text=True,
            timeout=200,
            check=False,
        )
    finally:
        scratch.kill()

    assert done.returncode == 0, done.stdout + done.stderr
    printed = {line.strip() for line in done.stdout.splitlines()}
    promised = [line.strip() for kind, text in blocks if kind == "text" for line in text.splitlines()]
    assert promised
    assert not [line for line in promised if line not in printed]
