"""Files that are whole: written in one step, and read only if they are what was written."""

import contextlib
import hashlib
import io
import json
import os
import secrets
import shutil
import struct
import zipfile
import zlib
from pathlib import Path

from probnn._version import __version__

_MANIFEST = "manifest.json"
_EARLIEST = (1980, 1, 1, 0, 0, 0)  # of zip files: what is equal gives equal files
# What zipfile and zlib raise of a damaged file.
_DAMAGE = (
    *(zipfile.BadZipFile, zlib.error, struct.error, EOFError, NotImplementedError, RuntimeError),
    *(ValueError, TypeError, LookupError, AttributeError, OverflowError, OSError),
)


class DamagedFileError(ValueError):
    """A file is not what was written: cut short, or changed."""


class ForeignFileError(ValueError):
    """A file holds something else."""


@contextlib.contextmanager
def atomic_write(path):
    """Give the path of a temporary file, which becomes the file at the end, in one step.

    Until then, and if what is done inside raises or the process ends, an earlier file stays as it
    was. If two processes write one file, it is one of the two.

    Parameters
    ----------
    path : str or path-like
        The file; of a symbolic link, what it points to. An earlier file's permissions are kept.

    Yields
    ------
    pathlib.Path
        An empty file in the same folder, with the same ending.

    Raises
    ------
    OSError
        As `open` for writing; the folder must be writable too.

    Notes
    -----
    A process that is killed while it writes leaves its temporary file, a hidden one, behind.
    """
    target = Path(os.path.realpath(path))
    if target.is_dir():
        raise IsADirectoryError(f"Expected the path of a file. Received: {target}, a folder.")
    old = target.stat() if target.exists() else None
    if old is not None and not target.is_file():
        raise OSError(f"Expected the path of a file. Received: {target}, a device or a pipe.")
    if old is not None and not os.access(target, os.W_OK):
        raise PermissionError(f"Expected a file that may be written. Received: {target}.")
    name = f".{secrets.token_hex(8)}.tmp{''.join(target.suffixes[-2:])}"
    temporary = target.with_name(name)
    os.close(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
    try:
        yield temporary
        if old is not None:
            shutil.copymode(target, temporary)
            with contextlib.suppress(OSError, AttributeError):  # another's file, or no such system
                os.chown(temporary, old.st_uid, old.st_gid)
        _flush(temporary)
        os.replace(temporary, target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    with contextlib.suppress(OSError):  # where folders cannot be opened
        _flush(target.parent)


@contextlib.contextmanager
def atomic_folder(path, mark):
    """Give the path of a temporary folder, which becomes the folder at the end.

    If what is done inside raises, or the process ends, an earlier folder stays as it was. It is
    put aside before the new one takes its place: between the two steps there is none.

    Parameters
    ----------
    path : str or path-like
        The folder; those above it are made.
    mark : str
        A file by which an earlier one is known: another folder with files in it is not replaced.

    Yields
    ------
    pathlib.Path
        An empty folder beside it.

    Raises
    ------
    OSError
        If a file or a folder of other things is there; or as `os.mkdir`.
    """
    target = Path(os.path.realpath(path))
    if (
        target.exists()
        and not (target / mark).is_file()
        and not (target.is_dir() and not any(target.iterdir()))
    ):
        raise FileExistsError(
            f"Expected a new path, or a folder with {mark} to replace. Received: {target}, which "
            "holds something else."
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary, aside = (target.with_name(f".{secrets.token_hex(8)}.tmp") for _ in range(2))
    temporary.mkdir()
    try:
        yield temporary
        for each in temporary.rglob("*"):
            _flush(each)
        if target.exists():
            os.replace(target, aside)
        try:
            os.replace(temporary, target)
        except BaseException:
            if aside.exists():
                os.replace(aside, target)
            raise
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    shutil.rmtree(aside, ignore_errors=True)
    with contextlib.suppress(OSError):
        _flush(target.parent)


def _flush(path):
    """Let the disk have what was written."""
    descriptor = os.open(path, os.O_RDONLY if os.path.isdir(path) else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_archive(path, kind, version, members):
    """Write a zip file of members, with a manifest that says what it is and their checksums.

    Parameters
    ----------
    path : str or path-like
        Where; see `atomic_write`.
    kind : str
        What the file holds, in words.
    version : int
        Of the format.
    members : dict
        Name -> bytes, or the path of a file.
    """
    with atomic_write(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        sums = {name: _add(archive, name, content) for name, content in members.items()}
        said = {"kind": kind, "format": version, "probnn": __version__}
        manifest = {**said, "sha256": sums}
        archive.comment = _add(archive, _MANIFEST, json.dumps(manifest).encode()).encode()


def _add(archive, name, content):
    """Add a member; return its SHA-256."""
    member = zipfile.ZipInfo(name, _EARLIEST)
    member.compress_type = zipfile.ZIP_DEFLATED
    is_bytes = isinstance(content, bytes)
    member.file_size = len(content) if is_bytes else os.path.getsize(content)
    with (
        io.BytesIO(content) if is_bytes else open(content, "rb") as source,
        archive.open(member, "w") as target,
    ):
        return _copy(source, target)


def _copy(source, target):
    """Copy a stream; return the SHA-256 of what went through."""
    found = hashlib.sha256()
    while block := source.read(1 << 20):
        found.update(block)
        target.write(block)
    return found.hexdigest()


class _Guarded:
    """A stream whose errors of reading are told from those of writing what was read."""

    def __init__(self, source, guard):
        self._source, self._guard = source, guard

    def read(self, size):
        with self._guard():
            return self._source.read(size)


class Archive:
    """A file that `write_archive` wrote, open: each member is checked as it is read.

    Parameters
    ----------
    path : str or path-like
        The file.
    kind : str
        What it must hold.
    newest : int
        The newest format that is known.
    unmarked : str, optional
        A member by which files of version 0.1 are known, which have no manifest.

    Attributes
    ----------
    manifest : dict
        What the file says of itself.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    DamagedFileError
        If it is cut short or changed; of `read` and `extract` too.
    ForeignFileError
        If it holds something else, or a newer format.
    """

    def __init__(self, path, kind, newest, unmarked=None):
        self.path = path
        size = os.path.getsize(path)
        with open(path, "rb") as file:
            head = file.read(4)
        if not size or head != b"PK\x03\x04":
            received = f"{path}, which is empty" if not size else f"{path}, which is no zip file"
            raise ForeignFileError(f"Expected a file of {kind}. Received: {received}.")
        with self._damage():
            self._zip = zipfile.ZipFile(path)
        try:
            self.manifest = self._read_manifest(kind, newest, unmarked)
        except BaseException:
            self._zip.close()
            raise

    def _read_manifest(self, kind, newest, unmarked):
        names = self._zip.namelist()
        if _MANIFEST not in names and unmarked in names:
            return {"sha256": dict.fromkeys(names)}
        if _MANIFEST not in names:
            is_keras = {"config.json", "metadata.json"} <= {*names}
            what = "a .keras file, which keras.saving.load_model loads" if is_keras else "another"
            raise ForeignFileError(f"Expected a file of {kind}. Received: {self.path}, {what}.")
        text = io.BytesIO()
        self._checked(_MANIFEST, text, self._zip.comment.decode(errors="replace"))
        with self._damage():
            manifest = json.loads(text.getvalue())
            found, version = manifest["kind"], int(manifest["format"])
        if found != kind:
            raise ForeignFileError(
                f"Expected a file of {kind}. Received: {self.path}, a file of {found}."
            )
        if version > newest:
            raise ForeignFileError(
                f"Expected a file of {kind} in a format up to {newest}. Received: {self.path}, in "
                f"format {version}, by probnn {manifest.get('probnn')}. Update probnn."
            )
        with self._damage():
            if sorted([*manifest["sha256"], _MANIFEST]) != sorted(names):
                raise ValueError("other members")
        return manifest

    @contextlib.contextmanager
    def _damage(self):
        try:
            yield
        except _DAMAGE as error:
            said = f"{type(error).__name__}: {error}"
            raise DamagedFileError(
                f"Expected {self.path} as it was written. Received: a file that was cut short or "
                f"changed ({said}). Take it from a copy, or fit and save anew."
            ) from error

    def read(self, name):
        """Return a member, as bytes."""
        found = io.BytesIO()
        self._checked(name, found, self._sum(name))
        return found.getvalue()

    def extract(self, name, folder):
        """Write a member to a folder; return its path."""
        path = Path(folder) / Path(name).name
        with open(path, "wb") as file:
            self._checked(name, file, self._sum(name))
        return path

    def _sum(self, name):
        with self._damage():
            return self.manifest["sha256"][name]

    def _checked(self, name, target, expected):
        with self._damage():
            source = self._zip.open(name)
        with source:
            found = _copy(_Guarded(source, self._damage), target)
        with self._damage():
            if expected is not None and found != expected:
                raise ValueError(f"another {name}")

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self._zip.close()
