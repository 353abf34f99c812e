"""Fills part files: reads a blob once, and hashes it on the way."""

import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import cycle

from prunella_core.base.text import clean
from prunella_core.fs.disk import Disk
from prunella_core.ledger.memory import Identity, identity_of
from prunella_core.verify import Reader

_BUFFER = 1 << 20


class CannotCopy(Exception):
    """One model cannot be copied; the others can."""


class Filler:
    """``written`` and ``cloned`` are the bytes so far; ``count`` gets those of each piece that was read."""

    def __init__(self, disk: Disk, reader: Reader, count: Callable[[int], None]) -> None:
        self.disk, self.reader, self.count = disk, reader, count
        self.written = self.cloned = 0
        self._buffers = cycle([memoryview(bytearray(_BUFFER)), memoryview(bytearray(_BUFFER))])
        self._hasher = ThreadPoolExecutor(1)

    def close(self) -> None:
        """End the thread that hashes."""
        self._hasher.shutdown()

    def check(self, path: str) -> str:
        """Return the hash of a file, and see to it that it is on the disk. Raises CannotCopy."""
        with self._opened(path) as file:
            digest = self._read(file)
            os.fsync(file)  # another program may just have written it
        return digest

    def fill(self, part: str, path: str, wanted: str, sound: Identity | None) -> str:
        """Fill the file ``part`` with the bytes at ``path``, and return the hash of what is in it then.

        It goes on where an interrupted run stopped; with the hash ``wanted`` it is on the disk. A file that is still
        the ``sound`` one of an earlier verification is not hashed where its extents can be shared. Raises CannotCopy
        where ``path`` cannot be read, and OSError of the other disk.
        """
        with self._opened(path) as source:
            status = self.disk.status(part)
            begun = status.st_size if status else 0
            digest = self._filled(part, wanted, source, begun, sound)
            if begun and digest != wanted:  # it cannot be continued
                self.disk.unlink(part)
                os.lseek(source, 0, os.SEEK_SET)
                digest = self._filled(part, wanted, source, 0, sound)
            return digest

    def _filled(self, part: str, wanted: str, source: int, begun: int, sound: Identity | None) -> str:
        file = self.disk.open_part(part)
        try:
            if begun:
                hashed = hashlib.sha256()
                self._read(file, hashed)
                os.lseek(source, begun, os.SEEK_SET)
                digest = self._read(source, hashed, file)
            else:
                digest = self._copied(source, file, wanted, sound)
            if digest == wanted:
                self.disk.flush(file, stat.S_IMODE(os.fstat(source).st_mode))
        finally:
            os.close(file)
        return digest

    def _copied(self, source: int, part: int, wanted: str, sound: Identity | None) -> str:
        if not self.disk.clone(source, part):
            return self._read(source, part=part)
        status = os.fstat(source)
        self.cloned += status.st_size
        if identity_of(status) != sound:
            return self._read(part)
        self.count(status.st_size)
        return wanted

    def _read(self, file: int, digest: "hashlib._Hash | None" = None, part: int | None = None) -> str:
        """Read to the end, append that to ``part``, and return the hash, which goes on from ``digest``.

        Each piece is hashed in another thread while it is written and the next one read.
        """
        digest = digest or hashlib.sha256()
        hashing: Future[None] | None = None
        while count := self._piece(file, buffer := next(self._buffers)):
            if hashing:
                hashing.result()
            hashing = self._hasher.submit(digest.update, buffer[:count])
            if part is not None:
                self.disk.append(part, buffer[:count])
                self.written += count
            self.count(count)
        if hashing:
            hashing.result()
        return f"sha256:{digest.hexdigest()}"

    def _piece(self, file: int, buffer: memoryview) -> int:
        try:
            return self.reader.read(file, buffer)
        except OSError as error:
            raise CannotCopy(f"a blob cannot be read to its end: {error.strerror}") from error

    @contextmanager
    def _opened(self, path: str) -> Iterator[int]:
        """Open a blob to read. Raises CannotCopy."""
        try:
            file = self.reader.open(path)
        except OSError as error:
            raise CannotCopy(f"cannot read {clean(path)}: {error.strerror}") from error
        try:
            if not stat.S_ISREG(os.fstat(file).st_mode):
                raise CannotCopy(f"{clean(path)} is not an ordinary file")
            yield file
        finally:
            os.close(file)
