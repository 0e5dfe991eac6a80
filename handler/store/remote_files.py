"""Upload and download of single files, mainly of runs, for a store at a URL; no-ops for a local store."""

from pathlib import Path

from handler.store.atomic_files import files_within, write_file
from handler.store.remote_dirs import find_remote, path_within

LOCK = "lock"


def upload(path: Path) -> None:
    """Upload a file."""
    location = find_remote(path)
    if location is not None:
        location[0].put(location[1], path)


def upload_all(folder: Path, *, last: str) -> None:
    """Upload the files of a directory that have changed since their last transfer, the file `last` after the others."""
    location = find_remote(folder)
    if location is None:
        return
    sent = location[0].sent
    for path in sorted(files_within(folder), key=lambda path: path.name == last):
        name = path.relative_to(folder).as_posix()
        hidden = any(part.startswith(".") for part in name.split("/"))
        if name != LOCK and not hidden and sent.get(path) != (present := _version(path)):
            upload(path)
            sent[path] = present


def download_all(folder: Path) -> None:
    """Download the files of a directory."""
    location = find_remote(folder)
    for name in sorted(list_files(folder)):
        if location is not None and name != LOCK:
            path = folder / path_within(folder, name)
            download(path)
            location[0].sent[path] = _version(path)


def download(path: Path) -> None:
    """Download a file, if there is a remote one."""
    location = find_remote(path)
    got = None if location is None else location[0].get(location[1])
    if got is None or (path.exists() and path.read_bytes() == got[0]):
        return
    write_file(path, got[0])


def remove(path: Path) -> None:
    """Remove a remote file."""
    location = find_remote(path)
    if location is not None:
        location[0].delete([location[1]])


def forget(folder: Path) -> None:
    """Remove all remote files below a directory."""
    location = find_remote(folder)
    if location is not None:
        location[0].delete(location[0].list_below(location[1]))


def list_files(folder: Path) -> set[str]:
    """Return the names of all remote objects below a directory, relative to it."""
    location = find_remote(folder)
    return set() if location is None else {name[len(location[1]) + 1 :] for name in location[0].list_below(location[1])}


def _version(path: Path) -> tuple[int, int, int]:
    about = path.stat()
    return about.st_ino, about.st_size, about.st_mtime_ns
