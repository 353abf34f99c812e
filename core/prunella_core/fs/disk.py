"""Every system call that changes a store, in one place. Tests pass a Disk that fails where they want it to."""

import errno
import os
from contextlib import suppress

from prunella_core.fs.rename import rename_new


class Disk:
    """The real disk. Every method raises OSError."""

    def make_folder(self, path: str) -> None:
        """Create a folder and those above it, owned as the folder that they are made in.

        An administrator who restores a model must not leave folders that the store's owner cannot write to.
        """
        missing = []
        while not os.path.isdir(path):
            missing.append(path)
            path = os.path.dirname(path)
        for folder in reversed(missing):
            self._make_one_folder(folder)

    @staticmethod
    def _make_one_folder(folder: str) -> None:
        os.mkdir(folder)
        give_to_owner_of(os.path.dirname(folder), folder)

    def move(self, source: str, target: str) -> None:
        """Rename within one file system; never copies, and never overwrites what is there already."""
        rename_new(source, target)

    def unlink(self, path: str) -> None:
        """Remove one directory entry; of a link, the link."""
        os.unlink(path)

    def remove_folder(self, path: str) -> None:
        """Remove an empty folder."""
        os.rmdir(path)

    def write(self, path: str, data: bytes) -> None:
        """Write a new file durably: under another name, flushed to the disk, then renamed into place."""
        temporary = f"{path}.new"
        with suppress(FileNotFoundError):  # of a run that was killed; or a link, which must not be written through
            os.unlink(temporary)
        with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
            give_to_owner_of(os.path.dirname(path), file.fileno())
        os.rename(temporary, path)

    def settle(self, folder: str) -> None:
        """Make the renames in ``folder`` durable."""
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def remove_if_empty(self, path: str) -> bool:
        """Remove a folder unless something is in it; say whether it is gone now."""
        try:
            self.remove_folder(path)
        except FileNotFoundError:
            return True
        except OSError as error:
            if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
                return False
            raise
        return True


def give_to_owner_of(folder: str, made: str | int) -> None:
    """Give what an administrator made to the owner of the folder that it was made in: it is their store."""
    if os.geteuid() == 0:
        owner = os.stat(folder)
        os.chown(made, owner.st_uid, owner.st_gid)


def remove_tree_of_folders(disk: Disk, folder: str) -> None:
    """Remove ``folder`` and the empty folders in it; one that still holds a file stays, and a link is not followed."""
    if os.path.islink(folder):
        return
    for where, _folders, _files in os.walk(folder, topdown=False):
        if not os.listdir(where):  # as it is now, without the folders that have just gone
            disk.remove_if_empty(where)
