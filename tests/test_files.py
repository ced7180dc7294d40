"""Files are the old or the new, whole: whatever happens while one is written."""

import contextlib
import errno
import os
import random
import stat
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest
from tables.disks import room_for

import probnn
from probnn import _files

PACKAGE = Path(probnn.__file__).parent
# Saves two files in turn, for ever; the library's file module alone, which starts at once.
WRITER = f"""
import sys, types
probnn = sys.modules["probnn"] = types.ModuleType("probnn")
probnn.__path__ = [{str(PACKAGE)!r}]
from probnn import _files
path, letters = sys.argv[1:]
while True:
    for letter in letters:
        members = {{"a": letter.encode() * 300_000, "b": letter.encode() * 7}}
        _files.write_archive(path, "letters", 1, members)
        print(letter, flush=True)
"""


def write(path, letter):
    _files.write_archive(path, "letters", 1, {"a": letter * 300_000, "b": letter * 7})


def read(path):
    """Return the letter that a whole file is of."""
    with _files.Archive(path, "letters", 1) as archive:
        a, b = archive.read("a"), archive.read("b")
    assert (len(a), b) == (300_000, a[:7])
    assert a == a[:1] * 300_000
    return a[:1].decode()


@pytest.mark.parametrize("count", [0, 1, 30, 200, 400])
def test_a_full_disk_leaves_the_old_file(count, tmp_path):
    path = tmp_path / "file.zip"
    write(path, b"o")
    before = path.read_bytes()
    with room_for(count), pytest.raises(OSError, match="too large"):
        write(path, b"n")
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["file.zip"]


@pytest.mark.parametrize("step", ["fsync", "replace", "chown"])
def test_a_step_that_fails_leaves_the_old_file(step, tmp_path, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    path = tmp_path / "file.zip"
    write(path, b"o")
    monkeypatch.setattr(os, step, full)
    if step == "chown":  # whose file it is matters less than that it is saved
        write(path, b"n")
    else:
        with pytest.raises(OSError, match="No space left"):
            write(path, b"n")
    monkeypatch.undo()
    assert read(path) == ("n" if step == "chown" else "o")
    assert os.listdir(tmp_path) == ["file.zip"]


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt, SystemExit])
def test_a_writer_that_raises_leaves_the_old_file(error, tmp_path):
    def fails():
        with _files.atomic_write(path) as temporary:
            temporary.write_text("ne")
            raise error

    path = tmp_path / "text"
    path.write_text("old")
    with pytest.raises(error):
        fails()
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["text"]


def test_permissions_are_kept_and_new_files_have_those_of_any_other(tmp_path):
    path, plain = tmp_path / "file", tmp_path / "plain"
    old = os.umask(0o027)
    try:
        for each in (path, path):
            with _files.atomic_write(each) as temporary:
                temporary.write_text("1")
        plain.write_text("1")
    finally:
        os.umask(old)
    assert path.stat().st_mode == plain.stat().st_mode == stat.S_IFREG | 0o640
    path.chmod(0o604)
    with _files.atomic_write(path) as temporary:
        temporary.write_text("2")
    assert (path.read_text(), stat.S_IMODE(path.stat().st_mode)) == ("2", 0o604)


def test_links_stay_and_their_targets_change(tmp_path):
    (tmp_path / "there").mkdir()
    target, link = tmp_path / "there" / "file", tmp_path / "link"
    target.write_text("old")
    link.symlink_to(Path("there") / "file")
    dangling = tmp_path / "dangling"
    dangling.symlink_to(tmp_path / "there" / "new")
    for each in (link, dangling):
        with _files.atomic_write(each) as temporary:
            assert temporary.parent == target.parent
            temporary.write_text("new")
        assert each.is_symlink()
    assert target.read_text() == (tmp_path / "there" / "new").read_text() == "new"


def test_what_is_no_file_is_left_alone(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "closed").write_text("old")
    (tmp_path / "closed").chmod(0o400)
    wrong = {tmp_path: IsADirectoryError, tmp_path / "pipe": OSError, "/dev/null": OSError}
    wrong[tmp_path / "no" / "folder"] = FileNotFoundError
    if os.geteuid():  # root may write any file
        wrong[tmp_path / "closed"] = PermissionError
    for path, error in wrong.items():
        with pytest.raises(error), _files.atomic_write(path):
            pass
    assert sorted(os.listdir(tmp_path)) == ["closed", "pipe"]
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


def _killed(path, rng):
    """Save until a kill; return the letter of the file."""
    command = [sys.executable, "-c", WRITER, str(path), "nm"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as child:
        child.stdout.readline()  # the first is saved
        time.sleep(rng.random() * 0.02)
        child.kill()
    return read(path)


@pytest.mark.parametrize("kills", [10, pytest.param(200, marks=pytest.mark.slow)])
def test_a_killed_process_leaves_the_old_or_the_new_file(kills, tmp_path):
    path, rng = tmp_path / "file.zip", random.Random(3)
    write(path, b"o")
    found = [_killed(path, rng) for _ in range(kills)]
    assert {*found} == {*"nm"}


def test_two_processes_that_save_one_path_leave_one_of_the_two(tmp_path):
    path, found = tmp_path / "file.zip", set()
    write(path, b"o")
    commands = [[sys.executable, "-c", WRITER, str(path), letter] for letter in "nm"]
    children = [subprocess.Popen(command, stdout=subprocess.PIPE) for command in commands]
    try:
        for child in children:
            child.stdout.readline()
        for _ in range(300):
            found.add(read(path))
    finally:
        for child in children:
            child.kill()
            child.communicate()
    assert found <= {*"onm"}
    assert {"n", "m"} & {*found}


def test_equal_contents_make_equal_files(tmp_path):
    for name in "ab":
        write(tmp_path / name, b"x")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_bit_that_flips_raises_or_is_of_no_matter(tmp_path):
    path = tmp_path / "file.zip"
    _files.write_archive(path, "letters", 1, {"a": b"some text", "b": bytes(range(40))})
    whole, loaded = path.read_bytes(), 0
    for bit in random.Random(1).sample(range(8 * len(whole)), 400):
        changed = bytearray(whole)
        changed[bit // 8] ^= 1 << bit % 8
        path.write_bytes(changed)
        with contextlib.suppress(_files.DamagedFileError, _files.ForeignFileError):
            with _files.Archive(path, "letters", 1) as archive:
                found = {name: archive.read(name) for name in archive.manifest["sha256"]}
            assert found == {"a": b"some text", "b": bytes(range(40))}
            loaded += 1
    assert loaded < 160  # those of dates, and of what zip files say twice


@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.9, 0.999])
def test_a_file_that_was_cut_short_raises(share, tmp_path):
    path = tmp_path / "file.zip"
    write(path, b"x")
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(ValueError, match=r"empty|cut short|no zip"):
        read(path)


def test_checksums_see_what_the_sums_of_zip_files_do_not(tmp_path):
    path = tmp_path / "file.zip"
    write(path, b"x")
    with zipfile.ZipFile(path) as old:
        members, comment = {name: old.read(name) for name in old.namelist()}, old.comment
    members["b"] = b"another"
    with zipfile.ZipFile(path, "w") as new:
        for name, content in members.items():
            new.writestr(name, content)
        new.comment = comment
    with pytest.raises(_files.DamagedFileError, match="another b"):
        read(path)


def test_other_kinds_and_newer_formats_are_named(tmp_path):
    path = tmp_path / "file.zip"
    write(path, b"x")
    with pytest.raises(_files.ForeignFileError, match=r"of numbers. Received.* a file of letters"):
        _files.Archive(path, "numbers", 1)
    _files.write_archive(path, "letters", 2, {})
    with pytest.raises(_files.ForeignFileError, match=r"format 2, by probnn .* Update probnn"):
        _files.Archive(path, "letters", 1)
    path.write_text("y, x")
    with pytest.raises(_files.ForeignFileError, match="no zip file"):
        _files.Archive(path, "letters", 1)


def fill(path, letter):
    with _files.atomic_folder(path, "mark") as folder:
        (folder / "mark").write_text(letter)
        if letter == "bad":
            raise ValueError("no more")


def test_a_folder_is_the_old_or_the_new(tmp_path, monkeypatch):
    path, other = tmp_path / "made" / "too", tmp_path / "other"
    fill(path, "old")
    with pytest.raises(ValueError, match="no more"):
        fill(path, "bad")
    replace = os.replace

    def fails(source, target):
        if str(target) == str(path) and (Path(source) / "mark").read_text() == "new":
            raise OSError(errno.EIO, "broken")
        replace(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", fails)
        with pytest.raises(OSError, match="broken"):
            fill(path, "new")
    assert (path / "mark").read_text() == "old"
    fill(path, "new")
    assert [(p.name, p.read_text()) for p in path.parent.rglob("*mark")] == [("mark", "new")]
    assert os.listdir(path.parent) == ["too"]
    other.mkdir()
    fill(other, "new")  # an empty folder
    (other / "mark").rename(other / "mine")
    with pytest.raises(FileExistsError, match="something else"):
        fill(other, "newer")
    with pytest.raises(FileExistsError, match="something else"):
        fill(other / "mine", "newer")
    assert os.listdir(other) == ["mine"]
