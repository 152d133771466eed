"""Answers of any form, in any pieces and cut off at any byte, read by the transport and by `http.client` as its oracle."""

import http.client
import io
import time
from typing import Any, cast

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from hedging.brokers.openalgo.deadline import _Answer

BODIES = st.binary(max_size=400)
HEADERS = st.lists(
    st.tuples(
        st.sampled_from(["Server", "Date", "X-RateLimit-Limit", "Vary", "Content-Type"]),
        st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=30),
    ),
    max_size=4,
)


@st.composite
def answers(draw):
    """Return an answer's bytes, its status and body, and whether only the end of the connection ends it."""
    status, body = draw(st.sampled_from([200, 202, 400, 404, 429, 500, 503])), draw(BODIES)
    form = draw(st.sampled_from(["length", "chunks", "connection"]))
    lines = [f"HTTP/1.1 {status} {draw(st.sampled_from(['OK', 'Some Words', '']))}"]
    lines += [f"{name}: {value}" for name, value in draw(HEADERS)]
    if form == "length":
        lines.append(f"Content-Length: {len(body)}")
        sent = body
    elif form == "chunks":
        lines.append("Transfer-Encoding: chunked")
        cuts = sorted(draw(st.lists(st.integers(0, len(body)), max_size=4)))
        pieces = [body[a:b] for a, b in zip([0, *cuts], [*cuts, len(body)], strict=True) if a < b]
        sent = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
    else:
        sent = body
    announced = draw(st.sampled_from([b"", b"HTTP/1.1 100 Continue\r\n\r\n"]))
    return announced + "\r\n".join([*lines, "", ""]).encode() + sent, status, body, form == "connection"


class Wire:
    """A socket on which one piece comes with each read, and then the end."""

    def __init__(self, pieces):
        self.pieces = [piece for piece in pieces if piece]

    def settimeout(self, seconds):
        assert seconds > 0

    def recv(self, _size):
        return self.pieces.pop(0) if self.pieces else b""


def read(pieces):
    answer = _Answer()
    answer.read(cast("Any", Wire(pieces)), time.monotonic() + 60)
    return answer


def split(data, cuts):
    places = sorted({cut % (len(data) + 1) for cut in cuts})
    return [data[a:b] for a, b in zip([0, *places], [*places, len(data)], strict=True)]


def by_the_oracle(data):
    class Socket:
        def makefile(self, _mode):
            return io.BytesIO(data)

    answer = http.client.HTTPResponse(cast("Any", Socket()), method="POST")
    answer.begin()
    return answer.status, answer.read(), answer.getheaders()


@given(answers(), st.lists(st.integers(0, 2000), max_size=8))
def test_it_is_read_as_the_oracle_reads_it_in_whatever_pieces_it_comes(made, cuts):
    data, status, body, _ = made
    answer = read(split(data, cuts))

    assert (answer.status, bytes(answer.body)) == (status, body)
    theirs = by_the_oracle(data)
    assert (answer.status, bytes(answer.body)) == theirs[:2]
    # Of several with one name the last is kept.
    known = {name.lower(): value for name, value in theirs[2]}
    assert {name: value.strip() for name, value in answer.headers.items()} == {
        name: known[name] for name in ("content-encoding", "date") if name in known
    }


@given(answers(), st.integers(0, 2000))
def test_cut_off_at_any_byte_it_is_no_answer_unless_only_the_connection_ends_it(made, at):
    data, status, body, ends_with_connection = made
    cut = data[: at % len(data)]
    headers_end = data.rindex(b"\r\n\r\n", 0, data.index(b"\r\n\r\n", data.index(b"%d" % status)) + 4) + 4

    if ends_with_connection and len(cut) >= headers_end:
        assert body.startswith(bytes(read([cut]).body))  # what is missing, JSON tells
        return
    with pytest.raises(requests.RequestException):
        read([cut])
