"""Names: folders, links, renames, and the times that they move."""

# The calls themselves are what is tried:
# ruff: noqa: PTH101, PTH102, PTH103, PTH104, PTH106, PTH108, PTH112, PTH114, PTH115, PTH116, PTH208, PTH211

import os
from collections.abc import Callable
from typing import Final

from tests.view.posix.trying import (
    EXCHANGE,
    NOREPLACE,
    Case,
    Outcome,
    about_file,
    held_open,
    open_and_close,
    read_file,
    renameat2,
    stamps_of,
    tried,
    write_file,
)


def folders(become: Callable[[], None]) -> Outcome:
    become()
    os.makedirs("full/sub")
    write_file("file")
    os.symlink("full", "link")
    return {
        "make on folder": tried(lambda: os.mkdir("full")),
        "make on file": tried(lambda: os.mkdir("file")),
        "make on link": tried(lambda: os.mkdir("link")),
        "make below missing": tried(lambda: os.mkdir("no/x")),
        "make below file": tried(lambda: os.mkdir("file/x")),
        "make dot": tried(lambda: os.mkdir(".")),
        "make with slash": (tried(lambda: os.mkdir("new/")), os.path.isdir("new")),
        "remove full": tried(lambda: os.rmdir("full")),
        "remove file": tried(lambda: os.rmdir("file")),
        "remove link": tried(lambda: os.rmdir("link")),
        "remove missing": tried(lambda: os.rmdir("no")),
        "remove dot": tried(lambda: os.rmdir("full/sub/.")),
        "remove dots": tried(lambda: os.rmdir("full/sub/..")),
        "unlink folder": tried(lambda: os.unlink("full")),
        "unlink missing": tried(lambda: os.unlink("no")),
        "unlink with slash": tried(lambda: os.unlink("file/")),
        "links": [os.stat(name).st_nlink for name in (".", "full", "full/sub", "new")],
        "removed": (tried(lambda: os.rmdir("full/sub")), tried(lambda: os.rmdir("full")), os.stat(".").st_nlink),
    }


def links(become: Callable[[], None]) -> Outcome:
    become()
    write_file("file", b"one")
    os.mkdir("folder")
    os.symlink("file", "soft")
    result: dict[str, object] = {
        "made": (*stamps_of("file", lambda: os.link("file", "hard")), os.stat("file").st_nlink),
        "on existing": tried(lambda: os.link("file", "hard")),
        "on folder": tried(lambda: os.link("file", "folder")),
        "of folder": tried(lambda: os.link("folder", "x")),
        "of missing": tried(lambda: os.link("no", "x")),
        "into missing": tried(lambda: os.link("file", "no/x")),
        "of link itself": (tried(lambda: os.link("soft", "soft2", follow_symlinks=False)), os.path.islink("soft2")),
        "same inode": os.stat("file").st_ino == os.stat("hard").st_ino,
    }
    write_file("hard", b"another")
    result["content"] = read_file("file")
    os.chmod("hard", 0o600)
    result["mode"] = about_file("file")
    result["removed"] = (*stamps_of("hard", lambda: os.unlink("file")), os.stat("hard").st_nlink, read_file("hard"))
    return result


def symlinks(become: Callable[[], None]) -> Outcome:
    become()
    os.mkdir("folder")
    write_file("folder/file", b"x")
    os.symlink("folder/file", "link")
    os.symlink("t" * 4095, "long")
    os.symlink("\udcff\n", "odd")
    return {
        "about": about_file("link"),
        "target": os.readlink("link"),
        "long": (len(os.readlink("long")), os.lstat("long").st_size),
        "odd": os.readlink(b"odd"),
        "too long": tried(lambda: os.symlink("t" * 4096, "longer")),
        "empty": tried(lambda: os.symlink("", "empty")),
        "on existing": tried(lambda: os.symlink("x", "link")),
        "read file": tried(lambda: os.readlink("folder/file")),
        "read folder": tried(lambda: os.readlink("folder")),
        "replaced": (tried(lambda: os.unlink("link")), tried(lambda: os.symlink("other", "link")), os.readlink("link")),
        "renamed": (tried(lambda: os.rename("link", "link2")), os.readlink("link2")),
    }


def renames(become: Callable[[], None]) -> Outcome:
    become()
    for name in ("a", "b"):
        write_file(name, name.encode())
    os.makedirs("full/sub")
    os.makedirs("empty")
    os.makedirs("other/deep")
    os.link("a", "a2")
    os.symlink("a", "soft")
    return {
        "onto folder": tried(lambda: os.rename("a", "empty")),
        "folder onto file": tried(lambda: os.rename("empty", "a")),
        "onto full": tried(lambda: os.rename("other", "full")),
        "into itself": tried(lambda: os.rename("full", "full/sub/x")),
        "onto own child": tried(lambda: os.rename("full", "full/sub")),
        "child onto parent": tried(lambda: os.rename("full/sub", "full")),
        "onto itself": tried(lambda: os.rename("a", "a")),
        "missing": tried(lambda: os.rename("no", "x")),
        "missing folder": tried(lambda: os.rename("a", "no/x")),
        "dot": tried(lambda: os.rename("full/.", "x")),
        "onto dots": tried(lambda: os.rename("empty", "full/..")),
        "file with slash": tried(lambda: os.rename("a", "x/")),
        "same file": (tried(lambda: os.rename("a", "a2")), sorted(os.listdir("."))),
        "over": (tried(lambda: os.rename("b", "a")), read_file("a"), read_file("a2"), os.stat("a2").st_nlink),
        "link moves itself": (tried(lambda: os.rename("soft", "full/soft")), os.readlink("full/soft")),
        "onto empty": (tried(lambda: os.rename("full", "empty")), sorted(os.listdir("empty"))),
        "up": (tried(lambda: os.rename("other/deep", "deep")), os.stat("other").st_nlink, os.stat(".").st_nlink),
        "left": sorted(os.listdir(".")),
    }


def renames_with_flags(become: Callable[[], None]) -> Outcome:
    become()
    write_file("a", b"a")
    write_file("b", b"b")
    os.makedirs("folder/sub")
    return {
        "no replace": renameat2("a", "b", NOREPLACE),
        "no replace, free": renameat2("a", "c", NOREPLACE),
        "exchange": (renameat2("c", "b", EXCHANGE), read_file("c"), read_file("b")),
        "exchange with folder": (renameat2("c", "folder", EXCHANGE), os.listdir("c"), read_file("folder")),
        "exchange with missing": renameat2("c", "no", EXCHANGE),
        "exchange with own child": renameat2("c", "c/sub", EXCHANGE),
        "both flags": renameat2("c", "b", NOREPLACE | EXCHANGE),
        "links": (os.stat(".").st_nlink, os.stat("c").st_nlink),
    }


def names_with_stamps(become: Callable[[], None]) -> Outcome:
    """A folder's times move when names in it come and go, a file's change time when its names do."""
    become()
    os.mkdir("folder")
    os.mkdir("other")
    write_file("folder/file")
    return {
        "made": stamps_of("folder", lambda: write_file("folder/new")),
        "written": stamps_of("folder", lambda: write_file("folder/new", b"again")),
        "removed": stamps_of("folder", lambda: os.unlink("folder/new")),
        "folder made": stamps_of("folder", lambda: os.mkdir("folder/sub")),
        "folder removed": stamps_of("folder", lambda: os.rmdir("folder/sub")),
        "link made": stamps_of("folder", lambda: os.symlink("x", "folder/link")),
        "renamed in it": stamps_of("folder", lambda: os.rename("folder/link", "folder/link2")),
        "moved out": stamps_of("folder", lambda: os.rename("folder/link2", "other/link")),
        "moved in": stamps_of("other", lambda: os.rename("folder/file", "other/file")),
        "file itself": stamps_of("other", lambda: os.rename("other/file", "file")),
        "failed": stamps_of("folder", lambda: os.mkdir("folder/../other")),
        "pipe made": stamps_of("folder", lambda: os.mkfifo("folder/pipe")),
    }


def files_with_stamps(become: Callable[[], None]) -> Outcome:
    become()
    write_file("file", b"123")
    with held_open("file", os.O_RDWR) as opened:
        return {
            "written": stamps_of("file", lambda: os.write(opened, b"x")),
            "nothing written": stamps_of("file", lambda: os.write(opened, b"")),
            "read": stamps_of("file", lambda: os.pread(opened, 3, 0)),
            "cut": stamps_of("file", lambda: os.ftruncate(opened, 1)),
            "cut to the same": stamps_of("file", lambda: os.ftruncate(opened, 1)),
            "emptied by open": stamps_of("file", lambda: open_and_close("file", os.O_WRONLY | os.O_TRUNC)),
            "emptied again": stamps_of("file", lambda: open_and_close("file", os.O_WRONLY | os.O_TRUNC)),
            "cut by name to the same": stamps_of("file", lambda: os.truncate("file", 0)),
            "mode": stamps_of("file", lambda: os.chmod("file", 0o600)),
            "same mode": stamps_of("file", lambda: os.chmod("file", 0o600)),
            "owner left": stamps_of("file", lambda: os.chown("file", -1, -1)),
            "allocated": stamps_of("file", lambda: os.posix_fallocate(opened, 0, 100)),
            "opened": stamps_of("file", lambda: open_and_close("file", os.O_RDWR)),
        }


CASES: Final[tuple[Case, ...]] = (
    folders,
    links,
    symlinks,
    renames,
    renames_with_flags,
    names_with_stamps,
    files_with_stamps,
)
