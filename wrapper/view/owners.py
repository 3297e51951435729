"""Whose files these are, as the view's user namespace can name them (user_namespaces(7))."""

import os
import stat


class Owners:
    """Owners as they are shown.

    A namespace of one user knows no other: a file of somebody else's is shown as the user's own, with the permission
    bits that hold for the user.
    """

    def __init__(self, uid: int, gid: int, *, knows_all: bool) -> None:
        self._uid, self._gid, self._knows_all = uid, gid, knows_all
        self._groups = frozenset((*os.getgroups(), gid))

    def shown(self, about: os.stat_result) -> tuple[int, int, int]:
        """Give mode, uid and gid as they are shown."""
        if self._knows_all or (about.st_uid == self._uid and about.st_gid == self._gid):
            return about.st_mode, about.st_uid, about.st_gid
        mode = about.st_mode
        if about.st_uid != self._uid:
            bits = (mode >> 3 if about.st_gid in self._groups else mode) & 0o7
            mode = (mode & ~0o777) | bits << 6 | bits << 3 | (mode & 0o7)
        return mode, self._uid, self._gid

    def give(self, folder: int, name: bytes, uid: int, gid: int) -> bool:
        """Give what was made in a folder to who asked for it, and tell whether it had to be; raises OSError.

        A set-group-id folder's group stays.
        """
        if not self._knows_all or (uid, gid) == (self._uid, self._gid):
            return False
        is_grouped = os.fstat(folder).st_mode & stat.S_ISGID
        os.chown(name, uid, -1 if is_grouped else gid, dir_fd=folder, follow_symlinks=False)
        return True
