"""What `install` puts on a machine beside the service: manual pages, completions, the program's name on PATH."""

from __future__ import annotations

from pathlib import Path

from taskserver.boot.installer import File, Link
from taskserver.cli import manual
from taskserver.cli.completion import SHELLS, script

_SHARE = Path("/usr/local/share")
_COMPLETIONS = {
    "bash": "bash-completion/completions/task_server",
    "zsh": "zsh/site-functions/_task_server",
    "fish": "fish/vendor_completions.d/task_server.fish",
}
_SAME_FOR_SCRIPT = {
    "bash": "bash-completion/completions/task_server.py",
    "fish": "fish/vendor_completions.d/task_server.py.fish",
}
"""These shells look for a file with the name of the command: scripts/task_server.py is completed as well."""


def shared_files() -> list[File]:
    """The manual pages in each language, and the completions."""
    pages = [
        File(_SHARE / "man" / page.folder / page.file, page.text.encode("ascii"), shared=True)
        for page in manual.all_pages()
    ]
    return [*pages, *(File(_SHARE / _COMPLETIONS[shell], script(shell).encode(), shared=True) for shell in SHELLS)]


def shared_links(program: Path) -> list[Link]:
    same = [Link(_SHARE / place, Path(_COMPLETIONS[shell]).name) for shell, place in _SAME_FOR_SCRIPT.items()]
    return [*same, Link(Path("/usr/local/bin/task_server"), str(program), optional=True)]
