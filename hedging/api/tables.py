"""Tables: CSV that is streamed row by row, and that no spreadsheet takes for formulas."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from django.http import StreamingHttpResponse
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request

# A cell that begins like this is a formula to a spreadsheet; an apostrophe before it makes it text.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
# An amount below 0, which answers write as text: with an apostrophe a spreadsheet would leave it out of every sum.
_FIGURE = re.compile(r"-[0-9]+(\.[0-9]+)?")


class CsvRenderer(BaseRenderer):
    """`?format=csv` or `Accept: text/csv`. The view streams the rows itself; nothing else is ever rendered as CSV."""

    media_type = "text/csv"
    format = "csv"
    charset = "utf-8"

    def render(self, data: Any, accepted_media_type: str | None = None, renderer_context: Any = None) -> bytes:
        """Return nothing: answers without a table, such as "not modified", have no body."""
        return b""


def wants_csv(request: Request) -> bool:
    """Return whether the caller asked for CSV."""
    return bool(request.accepted_renderer.format == CsvRenderer.format)


def csv_answer(rows: Iterable[Mapping[str, Any]], *, columns: Sequence[str], name: str) -> StreamingHttpResponse:
    """Return rows as a CSV file with a header, written as they come. `None` is an empty cell."""
    answer = StreamingHttpResponse(_lines(rows, columns), content_type="text/csv; charset=utf-8")
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    return answer


def safe_cell(value: Any) -> Any:
    """Return a cell's value so that a spreadsheet shows it and runs nothing. Numbers stay numbers."""
    if value is None:
        return ""
    if isinstance(value, str) and value.startswith(_FORMULA) and not _FIGURE.fullmatch(value):
        return f"'{value}"
    return value


class _Echo:
    """A file that hands back what is written to it."""

    def write(self, text: str) -> str:
        """Return `text`."""
        return text


def _lines(rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> Iterator[str]:
    writer = csv.writer(_Echo())
    yield writer.writerow(columns)
    for row in rows:
        yield writer.writerow([safe_cell(row[column]) for column in columns])
