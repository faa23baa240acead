"""What root does not rely on: each way in which somebody else could change a file or get another in its place."""

from __future__ import annotations

import os
import pwd
import subprocess
from pathlib import Path

import pytest

from taskserver.daemon import trust

STRANGER, FRIEND = 4711, 65534

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")


@pytest.fixture
def code(tmp_path) -> Path:
    """A module in a folder in a folder, as root makes them."""
    module = tmp_path / "lib" / "myapp" / "tasks.py"
    module.parent.mkdir(parents=True)
    module.write_text("")
    for place in (module.parent.parent, module.parent, module):
        place.chmod(0o755)
    return module


def owned(place: Path, uid: int = STRANGER, gid: int = 0) -> Path:
    os.chown(place, uid, gid, follow_symlinks=False)
    return place


def moded(place: Path, mode: int) -> Path:
    place.chmod(mode)
    return place


def test_what_is_roots_alone_is_trusted(code):
    assert trust.weakness(code) is None
    assert list(trust.weaknesses(code.parent.parent)) == []


CHANGES = {
    "the file belongs to another": owned,
    "everybody may write": lambda code: moded(code, 0o666),
    "the folder belongs to another": lambda code: owned(code.parent),
    "everybody may put files into the folder": lambda code: moded(code.parent, 0o777),
    "and rename the folder above": lambda code: moded(code.parent.parent, 0o777),
    "the folder above belongs to another": lambda code: owned(code.parent.parent),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_others_can_change_is_named_with_the_command_that_mends_it(code, change):
    place = CHANGES[change](code)

    found = list(trust.weaknesses(code.parent))

    assert [weak.path for weak in found] == [place]
    subprocess.run(found[0].command, shell=True, check=True)
    assert list(trust.weaknesses(code.parent)) == []


@pytest.mark.parametrize("place", ["a sticky folder", "a device", "a home"])
def test_what_is_meant_for_others_is_left_as_it_is_and_another_place_advised(code, monkeypatch, place):
    if place == "a sticky folder":
        weak = found = moded(code.parent, 0o1777)
    elif place == "a device":
        weak = found = Path("/dev/null")
    else:
        home = pwd.struct_passwd(("eve", "x", STRANGER, STRANGER, "", str(code.parent), ""))
        monkeypatch.setattr(pwd, "getpwuid", lambda uid: home)
        weak, found = owned(code.parent), code

    said = trust.weakness(found)

    assert (said.path, said.command) == (weak, None)
    assert "use a place instead that root alone can change" in str(said)


def test_one_command_mends_a_tree_that_was_copied_with_every_right(code):
    for place in (code.parent.parent, code.parent, code):
        place.chmod(0o777)

    found = list(trust.weaknesses(code.parent.parent))

    assert len(found) == 1
    subprocess.run(found[0].command, shell=True, check=True)
    assert list(trust.weaknesses(code.parent.parent)) == []


def test_a_sticky_folder_on_the_way_is_safe_for_what_is_roots(code):
    code.parent.parent.chmod(0o1777)

    assert trust.weakness(code) is None
    assert trust.weakness(owned(code.parent) / code.name).path == code.parent


def test_what_the_daemons_user_owns_is_trusted_where_it_is_said(code):
    owned(code, FRIEND)

    assert trust.weakness(code, {0, FRIEND}) is None
    assert trust.weakness(code).path == code


@pytest.fixture
def groups(monkeypatch):
    """Members of the groups 1000 (the friend alone), 2000 (the friend and others) and 3000 (nobody)."""
    members = {1000: {FRIEND}, 2000: {FRIEND, STRANGER}, 3000: set()}
    monkeypatch.setattr(trust, "_members", lambda gid: frozenset(members[gid]))


@pytest.mark.parametrize(("gid", "trusted"), [(1000, True), (2000, False), (3000, True)])
def test_a_group_may_write_if_nobody_else_is_in_it(code, groups, gid, trusted):
    owned(moded(code, 0o664), FRIEND, gid)

    assert (trust.weakness(code, {0, FRIEND}) is None) is trusted


def test_the_members_of_a_group_are_those_listed_and_those_whose_own_it_is():
    import grp

    nobody = pwd.getpwnam("nobody")
    listed = next((group for group in grp.getgrall() if group.gr_mem), None)

    assert nobody.pw_uid in trust._members(nobody.pw_gid)
    if listed is not None:
        assert pwd.getpwnam(listed.gr_mem[0]).pw_uid in trust._members(listed.gr_gid)


def test_an_access_list_counts_as_others(code):
    # version 2; owner rw, user 4711 rw, group r, mask rw, others r
    entries = [(1, 6, -1), (2, 6, STRANGER), (4, 4, -1), (16, 6, -1), (32, 4, -1)]
    packed = b"".join(
        tag.to_bytes(2, "little") + permissions.to_bytes(2, "little") + (who & 0xFFFFFFFF).to_bytes(4, "little")
        for tag, permissions, who in entries
    )
    try:
        os.setxattr(code, "system.posix_acl_access", (2).to_bytes(4, "little") + packed)
    except OSError:
        pytest.skip("the file system here has no access lists")

    assert "setfacl -b" in trust.weakness(code).command


def test_links_are_followed_step_by_step(code, tmp_path):
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "up").symlink_to(code.parent.parent)
    (tmp_path / "link").symlink_to("theirs/up/../lib/myapp")
    assert trust.weakness(tmp_path / "link" / code.name) is None

    owned(theirs)

    assert trust.weakness(tmp_path / "link" / code.name).path == theirs


def test_a_link_of_another_user_is_weak_itself(code, tmp_path):
    link = tmp_path / "link"
    link.symlink_to(code)
    owned(link)

    assert trust.weakness(link).path == link
    assert trust.weakness(link).command.startswith("chown -h ")


def test_what_a_link_in_a_folder_leads_to_is_looked_at_as_well(code, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "part.py").write_text("")
    owned(elsewhere / "part.py")
    (code.parent / "parts").symlink_to(elsewhere)
    (code.parent / "again").symlink_to(code.parent)

    assert {weak.path.name for weak in trust.weaknesses(code.parent)} == {"part.py"}


def test_endless_links_come_to_an_end(tmp_path):
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")

    assert trust.weakness(tmp_path / "a" / "x") is None


def test_only_what_can_be_imported_counts_among_modules(code):
    (code.parent / "notes.txt").write_text("")
    owned(code.parent / "notes.txt")
    (code.parent / "not-a-package").mkdir()
    (code.parent / "not-a-package" / "x.py").write_text("")
    owned(code.parent / "not-a-package" / "x.py")

    assert list(trust.weaknesses(code.parent, modules_only=True)) == []
    (code.parent / "__pycache__").mkdir()
    (code.parent / "__pycache__" / "tasks.cpython-311.pyc").write_text("")
    owned(code.parent / "__pycache__" / "tasks.cpython-311.pyc")
    assert len(list(trust.weaknesses(code.parent, modules_only=True))) == 1


def test_what_does_not_exist_yet_is_judged_by_where_it_would_be(code):
    assert trust.weakness(code.parent / "no" / "such" / "file") is None

    code.parent.chmod(0o777)

    assert trust.weakness(code.parent / "no" / "such" / "file").path == code.parent


def test_many_places_are_told_in_few_lines():
    found = [trust.Weakness(Path(f"/{number}"), "is weak", "mend") for number in range(100)]

    with pytest.raises(trust.CodeRefused) as refused:
        trust.require_code(found)

    assert len(refused.value.message().splitlines()) == 7
    assert refused.value.exit_code == 4
