"""SPAN risk parameter files (PC-SPAN XML 4.00): read as a stream, keeping the indices that we trade and nothing else.

A day's file has 60 MB and more, nearly all of it arrays of other underlyings. Expat calls us for each element, so that
nothing is kept that is not asked for, and every figure that is wrong is named by its line. A foreign portfolio is
skipped as soon as its code is known.

    spanFile > fileFormat, created, pointInTime > date, isSetl, clearingOrg > ec, lookAheadYears,
        ccDef > cc, dSpread > chargeMeth, rate > val, pLeg > pe
        exchange > phyPf > pfCode, phy > p, scanRate > priceScan, volScan
                   futPf > pfCode, fut > ra > a (16)
                   oopPf > pfCode, series > pe, t, intrRate > val, scanRate, opt > o, k, p, ra > a (16), d

The file's `pointDef` is not read: it names extreme moves of 3 ranges at 30 % while the arrays hold 2 ranges at 35 %.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from xml.parsers import expat

from hedging.domain.instruments import Index, Right
from hedging.domain.risk import SCENARIOS
from schedule.margin_files.refusal import MarginFileRefused
from schedule.margin_files.span_types import SpanFile, SpanIndex, SpanOption, SpanSeries
from schedule.margin_files.xml_node import Node

# BSE writes SENSEX by codes of its own: the index BSX, its options BSXOPT, its futures BSXFUT.
CODES = {
    "NIFTY": Index.NIFTY,
    "BANKNIFTY": Index.BANKNIFTY,
    "SENSEX": Index.SENSEX,
    "BSX": Index.SENSEX,
    "BSXOPT": Index.SENSEX,
    "BSXFUT": Index.SENSEX,
}
RECORDS = {"phyPf": "pfCode", "futPf": "pfCode", "oopPf": "pfCode", "ccDef": "cc"}
_DEEPEST = 40
_LONGEST_TEXT = 200
_RIGHTS = {"C": Right.CE, "P": Right.PE}


def parse_span(chunks: Iterable[bytes]) -> SpanFile:
    """Read a SPAN file whole. Raises `MarginFileRefused` with line and reason; nothing of a bad file is returned."""
    reader = _SpanReader()
    for number, chunk in enumerate(chunks):
        # A byte order mark would be text to a parser that is told the encoding.
        reader.feed(chunk.removeprefix(b"\xef\xbb\xbf") if number == 0 else chunk)
    return reader.finish()


class _SpanReader:
    def __init__(self) -> None:
        # Figures and codes are ASCII. Some files carry Latin-1 names without saying so, which UTF-8 would choke on.
        self._expat = expat.ParserCreate(encoding="ISO-8859-1")
        self._expat.buffer_text = True
        self._expat.StartDoctypeDeclHandler = self._no_doctype
        self._expat.EntityDeclHandler = self._no_doctype
        self._path: list[str] = []
        self._open: list[Node] = []
        self._skipped = ""
        self._head: dict[str, Node] = {}
        self._draft: dict[Index, _Draft] = {}
        self._draft_now: _Draft | None = None
        self._options: list[SpanOption] = []
        self._listen()

    def feed(self, chunk: bytes) -> None:
        try:
            self._expat.Parse(chunk, False)  # noqa: FBT003 - expat's own signature
        except expat.ExpatError as error:
            raise self._not_xml(error) from None

    def finish(self) -> SpanFile:
        try:
            self._expat.Parse(b"", True)  # noqa: FBT003 - expat's own signature
        except expat.ExpatError as error:
            raise self._not_xml(error) from None
        for name in ("fileFormat", "date", "ec"):
            if name not in self._head:
                raise MarginFileRefused(f"it has no <{name}>: not a SPAN file")
        if not self._head["fileFormat"].text.strip().startswith("4"):
            raise self._head["fileFormat"].wrong("the format 4.00 that we read")
        indices = tuple(draft.done() for index, draft in sorted(self._draft.items()))
        if not indices:
            raise MarginFileRefused(f"it holds none of {', '.join(Index)}: not a file of index options")
        settlement, ahead = self._head.get("isSetl"), self._head.get("lookAheadYears")
        return SpanFile(
            business_date=self._head["date"].day(),
            settlement=settlement is not None and settlement.text.strip() == "1",
            clearing_house=self._head["ec"].text.strip(),
            look_ahead_years=None if ahead is None else float(ahead.number()),
            indices=indices,
        )

    def _listen(self) -> None:
        self._expat.StartElementHandler = self._start
        self._expat.CharacterDataHandler = self._text
        self._expat.EndElementHandler = self._end

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        line = self._expat.CurrentLineNumber
        if not self._path:
            if name != "spanFile":
                raise MarginFileRefused(f"it begins with <{name}>, not <spanFile>: not a SPAN file", line=line)
            if attributes.get("xmlns"):
                raise MarginFileRefused(
                    f"its elements are in the namespace {attributes['xmlns'][:80]!r}, those of a SPAN file in none",
                    line=line,
                )
        self._path.append(name)
        if len(self._path) > _DEEPEST:
            raise MarginFileRefused(f"elements lie {_DEEPEST} deep: not a SPAN file", line=line)
        if self._open or name in RECORDS or name in _HEAD.get(self._path[-2] if len(self._path) > 1 else "", ()):
            node = Node(name, line)
            if self._open:
                self._open[-1].children.append(node)
            self._open.append(node)

    def _text(self, text: str) -> None:
        if self._open:
            node = self._open[-1]
            if len(node.text) + len(text) > _LONGEST_TEXT:
                if (node.text + text).strip():
                    raise MarginFileRefused(f"<{node.name}> holds more text than any figure has", line=node.line)
                return
            node.text += text

    def _end(self, name: str) -> None:
        self._path.pop()
        if not self._open:
            return
        node = self._open.pop()
        record = self._open[0] if self._open else None
        if record is None:
            self._finished(node)
        elif len(self._open) == 1 and name == RECORDS.get(record.name):
            self._decide(record.name, node)
        elif name == "opt":
            self._options.append(_option(node))
            self._open[-1].children.pop()
        elif name == "series":
            if self._draft_now is None:
                raise MarginFileRefused("<series> comes before the <pfCode> of its portfolio", line=node.line)
            self._draft_now.series.append(_series(node, tuple(self._options)))
            self._options = []
            self._open[-1].children.pop()

    def _decide(self, record: str, code: Node) -> None:
        index = CODES.get(code.text.strip().upper())
        if index is not None:
            self._draft_now = self._draft.setdefault(index, _Draft(index))
            return
        # Not ours: listen for the end of the record only, which costs a tenth of reading it.
        self._skipped = record
        self._open.clear()
        self._expat.StartElementHandler = None
        self._expat.CharacterDataHandler = None
        self._expat.EndElementHandler = self._end_of_skipped

    def _end_of_skipped(self, name: str) -> None:
        if name == self._skipped:
            self._path.pop()
            self._listen()

    def _finished(self, node: Node) -> None:
        if node.name not in RECORDS:
            if node.name in self._head and node.name == "date":
                raise MarginFileRefused("it holds two points in time: import a file of one", line=node.line)
            self._head.setdefault(node.name, node)
            return
        draft, self._draft_now = self._draft_now, None
        if draft is None:
            raise MarginFileRefused(f"<{node.name}> has no <{RECORDS[node.name]}>", line=node.line)
        draft.take(node)

    def _no_doctype(self, *_declared: object) -> None:
        line = self._expat.CurrentLineNumber
        raise MarginFileRefused("it declares a document type or entities, which no SPAN file has", line=line)

    def _not_xml(self, error: expat.ExpatError) -> MarginFileRefused:
        where = f" inside <{'> <'.join(self._path[-3:])}>" if self._path else ""
        words = expat.ErrorString(error.code)
        if error.code in _CUT_OFF:
            return MarginFileRefused(f"the file ends{where}: it is cut off, get it again", line=error.lineno)
        return MarginFileRefused(f"not well-formed XML{where} ({words}): get the file again", line=error.lineno)


class _Draft:
    """What was read of an index so far; portfolios and definitions come in any order."""

    def __init__(self, index: Index) -> None:
        self.index = index
        self.price: Decimal | None = None
        self.scan: Node | None = None
        self.series: list[SpanSeries] = []
        self.futures: list[tuple[float, ...]] = []
        self.calendar_charges: list[Decimal] = []

    def take(self, record: Node) -> None:
        """Take over what a finished record says."""
        if record.name == "phyPf":
            index = record.need("phy")
            self.price = index.need("p").positive()
            self.scan = index.first("scanRate")
        elif record.name == "futPf":
            self.futures += [_losses(future) for future in record.all("fut")]
        elif record.name == "ccDef":
            for spread in record.all("dSpread"):
                # Flat charges between two expiries; charges between tiers or by weighted price say nothing of ours.
                method = spread.first("chargeMeth")
                if (method is None or method.text.strip() == "F") and len(spread.all("pLeg")) == 2:
                    self.calendar_charges.append(spread.need("rate", "val").number())

    def done(self) -> SpanIndex:
        """Return the index. Raises `MarginFileRefused` when its level or a scan range is not in the file."""
        if self.price is None:
            raise MarginFileRefused(f"it has no price of {self.index} itself (<phyPf>)")
        self.series.sort(key=lambda series: series.expiry)
        if not self.series:
            raise MarginFileRefused(f"it has no options of {self.index} (<oopPf>)")
        nearest = self.series[0]
        price_scan, volatility_scan = nearest.price_scan, nearest.volatility_scan
        if price_scan is None and self.scan is not None:
            price_scan = self.scan.need("priceScan").positive()
        if volatility_scan is None and self.scan is not None:
            volatility_scan = self.scan.need("volScan").positive()
        if price_scan is None or volatility_scan is None:
            raise MarginFileRefused(f"it has no scan ranges of {self.index} (<scanRate>)")
        return SpanIndex(
            index=self.index,
            price=self.price,
            price_scan=price_scan,
            volatility_scan=volatility_scan,
            series=tuple(self.series),
            futures=tuple(self.futures),
            calendar_charges=tuple(self.calendar_charges),
        )


def _series(node: Node, options: tuple[SpanOption, ...]) -> SpanSeries:
    years, rate = node.first("t"), node.first("intrRate", "val")
    price_scan, volatility_scan = node.first("scanRate", "priceScan"), node.first("scanRate", "volScan")
    return SpanSeries(
        expiry=node.need("pe").day(),
        years=None if years is None else float(years.number()),
        price_scan=None if price_scan is None else price_scan.positive(),
        volatility_scan=None if volatility_scan is None else volatility_scan.positive(),
        rate=None if rate is None else rate.number(),
        options=options,
    )


def _option(node: Node) -> SpanOption:
    right = node.need("o")
    if right.text.strip().upper() not in _RIGHTS:
        raise right.wrong("C or P")
    price = node.need("p")
    if price.number() < 0:
        raise price.wrong("a price")
    delta = node.first("ra", "d") or node.first("d")
    return SpanOption(
        right=_RIGHTS[right.text.strip().upper()],
        strike=node.need("k").positive(),
        price=price.number(),
        losses=_losses(node),
        delta=None if delta is None else float(delta.number()),
    )


def _losses(node: Node) -> tuple[float, ...]:
    array = node.need("ra")
    values = tuple(float(value.number()) for value in array.all("a"))
    if len(values) != SCENARIOS:
        raise MarginFileRefused(f"a risk array has {len(values)} values, not {SCENARIOS}", line=array.line)
    return values


_HEAD = {
    "spanFile": {"fileFormat"},
    "pointInTime": {"date", "isSetl"},
    "clearingOrg": {"ec", "lookAheadYears"},
}
_CUT_OFF = {
    expat.errors.codes[expat.errors.XML_ERROR_NO_ELEMENTS],
    expat.errors.codes[expat.errors.XML_ERROR_UNCLOSED_TOKEN],
    expat.errors.codes[expat.errors.XML_ERROR_PARTIAL_CHAR],
}
