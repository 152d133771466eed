"""The pages for people: plain HTML without scripts. The front page has the forms; a frame in it shows the book and refreshes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape
from typing import Any
from urllib.parse import urlencode

from hedging.brokers.openalgo.symbols import format_symbol
from hedging.domain.instruments import Contract, Index, Right
from hedging.simulator.day import IST
from hedging.simulator.exchange import Exchange

_STYLE = (
    "body{font:14px system-ui,sans-serif;margin:1em;color:#222;background:#fff}"
    "table{border-collapse:collapse;margin:.3em 1.5em .8em 0}td,th{padding:.15em .6em;text-align:right;border-bottom:1px solid #ddd}"
    "th{text-align:left}h2{font-size:1em;margin:.8em 0 .2em}fieldset{display:inline-block;vertical-align:top;margin:0 1em 1em 0}"
    "iframe{width:100%;height:70vh;border:0;border-top:1px solid #bbb}.side{display:inline-block;vertical-align:top}"
)
_REACH = 6
_LAST_ORDERS = 15


def _page(title: str, body: str, *, refresh: bool = False) -> bytes:
    again = '<meta http-equiv="refresh" content="2">' if refresh else ""
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8">{again}<title>{escape(title)}</title>'
        f"<style>{_STYLE}</style></head><body>{body}</body></html>"
    ).encode()


def _table(head: Iterable[str], rows: Iterable[Iterable[Any]]) -> str:
    """Return a table; cells are escaped unless they are `_Html`."""
    top = "".join(f"<th>{escape(name)}</th>" for name in head)
    lines = "".join(
        "<tr>" + "".join(f"<td>{c if isinstance(c, _Html) else escape(str(c))}</td>" for c in row) + "</tr>"
        for row in rows
    )
    return f"<table><tr>{top}</tr>{lines}</table>"


class _Html(str):
    """Markup that is no text."""

    __slots__ = ()


def refusal(message: str) -> bytes:
    """Return the page that says why a form was refused."""
    return _page("Refused", f'<h1>Refused</h1><p>{escape(message)}</p><p><a href="/">Back</a></p>')


def front(exchange: Exchange, asked: Mapping[str, str]) -> bytes:
    """Return the front page: an order form (filled in from `asked`), a fault form, and the frame with the book."""
    symbol, venue = escape(asked.get("symbol", "")), asked.get("exchange", "NFO")
    lot = next((s.lot for s in exchange.day.specs.values() if asked.get("symbol", "").startswith(s.index.value)), "")
    price = escape(asked.get("price", ""))
    venues = "".join(f"<option{' selected' if name == venue else ''}>{name}</option>" for name in ("NFO", "BFO"))
    return _page(
        "Simulated exchange",
        "<h1>Simulated exchange</h1><p>No real money, no real orders.</p>"
        '<form method="post" action="/simulator/order"><fieldset><legend>Order by hand</legend>'
        f'<label>Symbol <input name="symbol" required size="24" value="{symbol}"></label> '
        f'<select name="exchange" aria-label="Exchange">{venues}</select> '
        '<select name="action" aria-label="Side"><option>BUY</option><option>SELL</option></select> '
        f'<label>Units <input name="quantity" required size="5" value="{lot}"></label> '
        '<select name="pricetype" aria-label="Price type"><option>LIMIT</option><option>MARKET</option></select> '
        f'<label>Limit <input name="price" size="6" value="{price}"></label> '
        '<select name="product" aria-label="Product"><option>NRML</option><option>MIS</option></select> '
        "<button>Place</button></fieldset></form>"
        '<form method="post" action="/simulator/faults"><fieldset><legend>Fault</legend>'
        '<label>Endpoint:kind=value <input name="fault" required size="26" placeholder="place_order:late=90x1"></label> '
        "<button>Switch on</button></fieldset></form>"
        '<form method="post" action="/simulator/faults/clear"><fieldset><legend>All faults</legend>'
        '<button>Clear</button></fieldset></form><iframe src="/simulator/book" title="Book, chain and faults"></iframe>',
    )


def book(
    exchange: Exchange, *, clock: Mapping[str, Any], faults: Mapping[str, Any], report: Mapping[str, Any]
) -> bytes:
    """Return the frame: account, orders, positions, chain, faults. The caller holds the exchange's lock."""
    now = exchange.now.astimezone(IST).strftime("%Y-%m-%d %H:%M:%S IST")
    funds = exchange.funds()
    state = [
        ("Market time", f"{now} ({'open' if clock['market_open'] else 'closed'}, {clock['speed']:g}x)"),
        ("Kind of day", clock["family"]),
        *((i.value, f"{exchange.market.spot(i, exchange.t):,.2f}") for i in exchange.day.specs),
        ("Cash / used / free", f"{funds.cash:,.2f} / {funds.utilised:,.2f} / {funds.free:,.2f}"),
        (
            "Entries made / refused / unavoidably",
            f"{report['entries_made']} / {report['entries_refused']} / {report['entries_unavoidably_refused']}",
        ),
        ("Hedges bought / sold (orders)", f"{report['hedges']['bought_orders']} / {report['hedges']['sold_orders']}"),
        ("Peak utilization", f"{report['peak_utilization']:.1f} % at {report['peak_at']}"),
        ("Peak-margin penalty", f"{report['peak_margin']['penalty']:,.2f}"),
    ]
    orders = [
        (
            o.order_id,
            exchange.moment(o.placed_us).astimezone(IST).strftime("%H:%M:%S"),
            o.origin.value,
            o.ticket.side.value,
            o.ticket.symbol,
            f"{o.filled}/{o.quantity}",
            f"{exchange.market.price(o.ticket.contract.index, o.price):.2f}",
            o.status.value,
            o.reason,
        )
        for o in list(exchange.orders.values())[: -_LAST_ORDERS - 1 : -1]
    ]
    held = [
        (p.symbol, p.product.value, p.quantity, f"{p.average:.2f}", f"{p.realized:,.2f}")
        for p in exchange.shown.positions.positions.values()
    ]
    in_force = [
        (f["id"], f["endpoint"], f["kind"], f["value"], f["left"] or "always", f["hits"], f["meaning"])
        for f in faults["faults"]
    ]
    waiting = [
        (p["pending_order_id"], p["action"], p["symbol"], p["quantity"], _approval(p)) for p in faults["pending"]
    ]
    parts = [
        _table(("", ""), state),
        "<h2>Faults in force</h2>" + _table(("id", "endpoint", "kind", "value", "left", "hits", "what"), in_force),
        "<h2>Waiting for approval</h2>" + _table(("id", "side", "symbol", "units", ""), waiting) if waiting else "",
        "<h2>Orders, latest first</h2>"
        + _table(("id", "time", "from", "side", "symbol", "filled", "limit", "status", "reason"), orders),
        "<h2>Positions</h2>" + _table(("symbol", "product", "units", "average", "realized"), held),
        *(_chain(exchange, index) for index in exchange.day.specs),
    ]
    return _page("Book", "".join(parts), refresh=True)


def _approval(pending: Mapping[str, Any]) -> _Html:
    number = int(pending["pending_order_id"])
    return _Html(
        '<form method="post" action="/simulator/approve" target="_parent">'
        f'<button name="pending_order_id" value="{number}">Approve</button></form>'
    )


def _chain(exchange: Exchange, index: Index) -> str:
    """Return the nearest expiry's strikes around the money; a price is a link that fills the order form in."""
    expiry = exchange.day.expiries[index][0]
    market, t = exchange.market, exchange.t
    strikes = market.strikes(index)
    money = int(abs(strikes - market.spot(index, t)).argmin())
    prices = market.slice(index, expiry, t).prices
    step = exchange.day.specs[index].strike_step

    def link(right: Right, column: int) -> _Html:
        tick = exchange.day.specs[index].tick
        strike = int(strikes[column]) // int(step) * step
        contract = Contract(index, expiry, strike, right)
        bid, ask = (int(side[column]) * tick for side in (prices[right].bid, prices[right].ask))
        query = urlencode(
            {"symbol": format_symbol(contract), "exchange": contract.exchange.value, "price": f"{ask:.2f}"}
        )
        return _Html(f'<a target="_parent" href="/?{escape(query)}">{bid:.2f} / {ask:.2f}</a>')

    rows = [
        (link(Right.CE, n), int(strikes[n]), link(Right.PE, n))
        for n in range(max(0, money - _REACH), min(len(strikes), money + _REACH + 1))
    ]
    return f'<div class="side"><h2>{index.value} {expiry:%d-%b}</h2>{_table(("CE bid / ask", "strike", "PE bid / ask"), rows)}</div>'
