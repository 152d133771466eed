"""Opening a margin file: plain, .gz or .zip, told apart by content; with caps on size, and progress by bytes read."""

from __future__ import annotations

import gzip
import io
import lzma
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import BinaryIO

from schedule.margin_files.refusal import MarginFileRefused

LARGEST_FILE_BYTES = 200_000_000
"""A day's file of all contracts of NSE has about 60 MB, packed 5 MB (2026)."""
LARGEST_UNPACKED_BYTES = 400_000_000
CHUNK_BYTES = 1 << 16
_MEMBER_ENDINGS = (".spn", ".xml", ".csv")
_BROKEN = (EOFError, OSError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, NotImplementedError, RuntimeError)

Progress = Callable[[int, int], None]


def silent(_read: int, _total: int) -> None:
    """Tell nobody how far the reading is."""


class Reader:
    """Chunks of an unpacked margin file. Tells `progress` how many bytes of the (packed) file were read, of how many.

    Raises `MarginFileRefused` when the packing is broken, or unpacks to more than any margin file has.
    """

    def __init__(self, content: BinaryIO, *, packed: BinaryIO, size: int, progress: Progress) -> None:
        self._content = content
        self._packed = packed
        self._size = size
        self._progress = progress
        self._unpacked = 0
        self.first = self.chunk()

    def chunk(self) -> bytes:
        """Return the next bytes, none at the end."""
        try:
            data = self._content.read(CHUNK_BYTES)
        except _BROKEN as error:
            raise MarginFileRefused(f"its packing is broken ({error}): get the file again") from None
        self._unpacked += len(data)
        if self._unpacked > LARGEST_UNPACKED_BYTES:
            raise MarginFileRefused(f"it unpacks to more than {LARGEST_UNPACKED_BYTES:,} bytes: not a margin file")
        self._progress(min(self._packed.tell(), self._size), self._size)
        return data

    def chunks(self) -> Iterator[bytes]:
        """Yield the whole content from its first byte, once."""
        data = self.first
        while data:
            yield data
            data = self.chunk()


@contextmanager
def reading(file: BinaryIO, *, progress: Progress = silent) -> Iterator[Reader]:
    """Open a seekable file for reading whatever way it is packed.

    Raises `MarginFileRefused` when it is empty, too large, or an archive without exactly one margin file in it.
    """
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    if not size:
        raise MarginFileRefused("it is empty: get the file again")
    if size > LARGEST_FILE_BYTES:
        raise MarginFileRefused(f"it has {size:,} bytes, more than {LARGEST_FILE_BYTES:,}: not a margin file")
    magic = file.read(4)
    file.seek(0)
    if magic.startswith(b"\x1f\x8b"):
        with gzip.GzipFile(fileobj=file) as content:
            yield Reader(content, packed=file, size=size, progress=progress)  # type: ignore[arg-type]
    elif magic.startswith(b"PK"):
        with _archive(file) as archive, _member(archive) as member:
            yield Reader(member, packed=file, size=size, progress=progress)  # type: ignore[arg-type]
    else:
        yield Reader(file, packed=file, size=size, progress=progress)


def _archive(file: BinaryIO) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(file)
    except _BROKEN as error:
        raise MarginFileRefused(f"its packing is broken ({error}): get the file again") from None


def _member(archive: zipfile.ZipFile) -> zipfile.ZipExtFile:
    members = [info for info in archive.infolist() if info.filename.lower().endswith(_MEMBER_ENDINGS)]
    if len(members) != 1:
        raise MarginFileRefused(
            f"the archive holds {len(members)} files that end in {', '.join(_MEMBER_ENDINGS)}: import one at a time"
        )
    try:
        return archive.open(members[0])  # type: ignore[return-value]
    except _BROKEN as error:
        raise MarginFileRefused(f"its packing is broken ({error}): get the file again") from None
