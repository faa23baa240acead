"""The OCR example: text drawn into images is found again, whatever stops the run on its way."""

from __future__ import annotations

import os
import re
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from example_installation import Installation
from PIL import Image, ImageDraw, ImageFont
from waiting import eventually

pytestmark = pytest.mark.skipif(
    shutil.which("tesseract") is None, reason="tesseract is missing; on Debian: apt install tesseract-ocr"
)

EXAMPLE = "ocr"


@pytest.fixture(scope="module")
def ocr(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """One daemon for the tests that do not kill it."""
    ocr = Installation(tmp_path_factory.mktemp("ocr") / "installation", EXAMPLE)
    ocr.start()
    yield ocr
    ocr.kill()


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    folder = tmp_path / "scans of November"
    folder.mkdir()
    return folder


def page_image(folder: Path, number: int, *lines: str) -> Path:
    image = Image.new("L", (900, 80 + 90 * len(lines)), 255)
    font = ImageFont.load_default(size=44)
    for row, line in enumerate(lines):
        ImageDraw.Draw(image).text((40, 40 + 90 * row), line, font=font, fill=0)
    file = folder / f"page-{number:02d}.png"
    image.save(file)
    return file


def text_of(page: Path) -> str:
    return page.with_name(f"{page.name}.txt").read_text()


def texts(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.txt"))


def test_the_text_of_every_page_is_found(ocr, scans):
    words = {1: "Invoice number 4711", 2: "Delivery to Hamburg", 3: "Total 98.50 euros"}
    pages = [page_image(scans, number, f"Page {number}", line) for number, line in words.items()]

    told = ocr("job", "add", "ocr", f"folder={scans}", "--wait")

    assert "3 pages, 0 of them done before" in told
    for page, line in zip(pages, words.values(), strict=True):
        assert line in text_of(page)
    assert len(list(scans.iterdir())) == 6


def test_a_run_tells_its_page_and_goes_on_where_it_was_stopped(ocr, scans):
    pages = [page_image(scans, number, f"Page {number}", *["some words to read"] * 4) for number in range(1, 25)]
    job_id, seen = ocr.add("ocr", f"folder={scans}"), set()
    eventually(lambda: (look(ocr, job_id, seen), len(texts(scans)) >= 2)[1])

    ocr("job", "stop", str(job_id))
    ocr.wait(job_id, code=152)
    before = {text: text.stat().st_mtime_ns for text in texts(scans)}
    names = {file.name for file in scans.iterdir()}
    ocr("job", "start", str(job_id))
    eventually(lambda: look(ocr, job_id, seen) == "finished", seconds=40)

    assert 2 <= len(before) < 24
    assert not [name for name in names if name.endswith(".part")]
    assert {text: text.stat().st_mtime_ns for text in before} == before
    assert all(f"Page {number}" in text_of(page) for number, page in enumerate(pages, start=1))
    ((result,),) = ocr.query("SELECT result FROM jobs WHERE id = ?", job_id)
    assert result == f"24 pages, {len(before)} of them done before"
    told = {(100 * (number - 1) // 24, f"page {number} of 24") for number in range(1, 25)}
    assert len({(progress, detail) for progress, detail in seen if progress} & told) >= 2
    assert "PROGRESS" not in ocr("job", "log", str(job_id))


def look(ocr: Installation, job_id: int, seen: set[tuple[float | None, str | None]]) -> str:
    ((status, progress, detail),) = ocr.query("SELECT status, progress, detail FROM jobs WHERE id = ?", job_id)
    seen.add((progress, detail))
    return str(status)


def test_killed_with_its_daemon_the_run_goes_on_after_the_next_start(installation, scans):
    installation.start()
    for number in range(1, 7):
        page_image(scans, number, f"Page {number}", *["some words to read"] * 4)
    job_id = installation.add("ocr", f"folder={scans}")
    eventually(lambda: len(texts(scans)) >= 2)

    os.kill(installation.pid() or 0, signal.SIGKILL)
    eventually(lambda: installation.pid() is None)
    installation.start()
    told = installation.wait(job_id)

    found = re.search(r"6 pages, (\d) of them done before", told)
    assert found
    assert 2 <= int(found[1]) < 6
    assert [file.name for file in texts(scans)] == [f"page-{number:02d}.png.txt" for number in range(1, 7)]
    assert not list(scans.glob("*.part"))


def test_a_corrupt_page_fails_the_job_and_holds_up_no_other(ocr, scans):
    first, last = page_image(scans, 1, "First page"), page_image(scans, 3, "Last page")
    (scans / "page-02.png").write_bytes(first.read_bytes()[:600])

    told = ocr("job", "add", "ocr", f"folder={scans}", "--wait", code=150)

    assert "these pages can't be read: page-02.png" in told
    assert "First page" in text_of(first)
    assert "Last page" in text_of(last)
    assert not (scans / "page-02.png.txt").exists()


def test_what_is_missing_is_named(ocr, scans, tmp_path):
    def failure(*arguments: str) -> str:
        return ocr("job", "add", "ocr", *arguments, "--wait", code=150)

    assert f"there is no folder {tmp_path}/nowhere" in failure(f"folder={tmp_path}/nowhere")
    assert "there are no page images" in failure(f"folder={scans}")
    assert "must be an absolute path, not 'scans'" in failure("folder=scans")
    assert "does not know the language xyz" in failure(f"folder={scans}", "lang=xyz")


def test_a_missing_tesseract_is_named(installation, scans):
    """The daemon sees only a folder with everything but tesseract in PATH."""
    tools = installation.folder / "tools"
    tools.mkdir()
    for name in ("id", "tr", "grep", "flock", "find", "rm", "mv", "sync"):
        (tools / name).symlink_to(shutil.which(name) or "/nowhere")
    page_image(scans, 1, "Page 1")
    installation.environment["PATH"] = str(tools)
    installation.start()

    told = installation("job", "add", "ocr", f"folder={scans}", "--wait", code=150)

    assert "tesseract is not installed; on Debian: apt install tesseract-ocr" in told


def test_a_newer_image_is_read_again(ocr, scans):
    page = page_image(scans, 1, "Before noon")
    ocr("job", "add", "ocr", f"folder={scans}", "--wait")
    page_image(scans, 1, "After noon")
    later = time.time() + 5
    os.utime(page, (later, later))

    ocr("job", "add", "ocr", f"folder={scans}", "--wait")

    assert "After noon" in text_of(page)
