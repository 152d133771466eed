"""Packed margin files: told apart by content, bounded in size whatever the archive says, with progress by bytes read."""

from __future__ import annotations

import gzip
import io
import zipfile

import pytest

from schedule.margin_files import opening
from schedule.margin_files.opening import reading
from schedule.margin_files.refusal import MarginFileRefused

TEXT = b"".join(b"line %d of a file that is long enough to be read in pieces\n" % n for n in range(20_000))


def archive(**members: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items():
            file.writestr(name.replace("_", ".", 1), content)
    return out.getvalue()


def content_of(data: bytes, progress=opening.silent) -> bytes:
    with reading(io.BytesIO(data), progress=progress) as reader:
        return b"".join(reader.chunks())


PACKED = {"plain": TEXT, "gz": gzip.compress(TEXT), "zip": archive(nsccl_spn=TEXT, readme_txt=b"hello")}


@pytest.mark.parametrize("way", PACKED)
def test_the_content_is_the_same_however_it_is_packed(way):
    assert content_of(PACKED[way]) == TEXT


@pytest.mark.parametrize("way", PACKED)
def test_progress_rises_to_the_size_of_the_file(way):
    told: list[tuple[int, int]] = []
    content_of(PACKED[way], lambda read, total: told.append((read, total)))
    size = len(PACKED[way])
    assert told == sorted(told)
    assert {total for _, total in told} == {size}
    assert all(0 <= read <= size for read, _ in told)
    assert told[-1][0] > size * 0.9
    assert len(told) > 5


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "it is empty"),
        (PACKED["gz"][:-2_000], "its packing is broken"),
        (PACKED["gz"][:10] + b"\xff" * 500, "its packing is broken"),
        (PACKED["zip"][:-2_000], "its packing is broken"),
        (archive(readme_txt=b"hello"), "the archive holds 0 files that end in"),
        (archive(a_spn=TEXT, b_spn=TEXT), "the archive holds 2 files that end in"),
    ],
)
def test_a_packing_that_is_broken_or_ambiguous_is_refused(data, reason):
    with pytest.raises(MarginFileRefused, match=reason):
        content_of(data)


@pytest.mark.parametrize("way", ["gz", "zip"])
def test_a_bomb_is_refused_while_it_unpacks(way, monkeypatch):
    monkeypatch.setattr(opening, "LARGEST_UNPACKED_BYTES", 1_000_000)
    zeros = b"0" * 50_000_000
    bomb = gzip.compress(zeros) if way == "gz" else archive(nsccl_spn=zeros)
    assert len(bomb) < 100_000
    told: list[int] = []
    with pytest.raises(MarginFileRefused, match="unpacks to more than"):
        content_of(bomb, lambda _read, _total: told.append(1))
    assert len(told) * opening.CHUNK_BYTES <= 1_000_000


def test_a_file_that_is_too_large_is_not_read(monkeypatch):
    monkeypatch.setattr(opening, "LARGEST_FILE_BYTES", 100)
    assert content_of(b"x" * 100) == b"x" * 100
    with pytest.raises(MarginFileRefused, match="it has 101 bytes, more than 100"):
        content_of(b"x" * 101)
