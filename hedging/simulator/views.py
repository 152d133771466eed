"""Views: what each endpoint answers, in the shapes of a Zerodha account behind OpenAlgo. Numbers and strings as recorded."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, time
from decimal import Decimal, InvalidOperation
from typing import Any

from hedging.brokers.openalgo.symbols import UnknownSymbol, format_expiry, format_symbol, parse_expiry, parse_symbol
from hedging.domain.instruments import INDEX_EXCHANGE, OPTION_EXCHANGE, Contract, Index, Product, Right, Side
from hedging.simulator.day import IST
from hedging.simulator.exchange import Exchange
from hedging.simulator.market import LEVELS, PRE_OPEN
from hedging.simulator.orders import Order, OrderRefused, PriceType, Status, Ticket

Answer = tuple[int, dict[str, Any]]
_NO_LEVEL = {"price": 0, "quantity": 0}
_EXCHANGES_OF_INDICES = set(INDEX_EXCHANGE.values())


def ok(**body: Any) -> Answer:
    """Return a success."""
    return 200, {**body, "status": "success"}


def error(status: int, message: Any) -> Answer:
    """Return an error of the common shape."""
    return status, {"message": message, "status": "error"}


def _not_found(symbol: str, exchange: str) -> str:
    return (
        f"Symbol '{symbol}' not found for exchange '{exchange}'. "
        "Please verify the symbol name and ensure master contracts are downloaded."
    )


class Views:
    """The endpoints over one exchange. Callers hold the exchange's lock and have advanced it."""

    def __init__(self, *, exchange: Exchange, broker: str, record: Callable[[str, dict[str, Any], str], None]) -> None:
        self.exchange = exchange
        self.broker = broker
        self._record = record
        self.endpoints: dict[str, Callable[[dict[str, Any]], Answer]] = {
            "ping": self.ping,
            "funds": self.funds,
            "margin": self.margin,
            "positionbook": self.positionbook,
            "openposition": self.openposition,
            "orderbook": self.orderbook,
            "tradebook": self.tradebook,
            "orderstatus": self.orderstatus,
            "placeorder": self.placeorder,
            "modifyorder": self.modifyorder,
            "cancelorder": self.cancelorder,
            "quotes": self.quotes,
            "multiquotes": self.multiquotes,
            "depth": self.depth,
            "optionchain": self.optionchain,
            "optionsymbol": self.optionsymbol,
            "symbol": self.symbol,
            "expiry": self.expiry,
            "analyzer": self.analyzer,
            "market/holidays": self.holidays,
            "market/timings": self.timings,
        }

    # -- look-ups ---------------------------------------------------------------------------------------------------

    def _option(self, symbol: str, exchange: str) -> Contract | None:
        """Return the listed contract of a symbol on an exchange. Spelling must be exact."""
        try:
            contract = parse_symbol(symbol)
        except UnknownSymbol:
            return None
        known = contract.exchange == exchange and self.exchange.market.is_listed(contract)
        return contract if known and format_symbol(contract) == symbol else None

    def _index(self, symbol: str, exchange: str) -> Index | None:
        if symbol not in Index.__members__ or Index(symbol) not in self.exchange.day.specs:
            return None
        index = Index(symbol)
        return index if INDEX_EXCHANGE[OPTION_EXCHANGE[index]] == exchange else None

    def _price(self, contract: Contract, ticks: int) -> float:
        return float(self.exchange.market.price(contract.index, ticks))

    # -- account ----------------------------------------------------------------------------------------------------

    def ping(self, _: dict[str, Any]) -> Answer:
        """Say who answers."""
        return ok(data={"broker": self.broker, "message": "pong"})

    def analyzer(self, _: dict[str, Any]) -> Answer:
        """Say that orders here are live orders (of this world)."""
        return ok(data={"analyze_mode": False, "mode": "live", "total_logs": 0})

    def funds(self, _: dict[str, Any]) -> Answer:
        """Return five strings; `availablecash` is cash alone and does not fall when margin is used."""
        f = self.exchange.funds()
        return ok(
            data={
                "availablecash": f"{f.cash:.2f}",
                "collateral": f"{f.collateral:.2f}",
                "m2mrealized": f"{f.realized:.2f}",
                "m2munrealized": f"{f.unrealized:.2f}",
                "utiliseddebits": f"{f.utilised:.2f}",
            }
        )

    def margin(self, body: dict[str, Any]) -> Answer:
        """Margin of a basket: one leg alone; two and more as the increment over the book. Unknown symbols drop out."""
        legs: list[tuple[Contract, Product, int, Decimal]] = []
        for n, leg in enumerate(body["positions"], start=1):
            try:
                units = int(leg["quantity"])
                price = Decimal(leg["price"])
            except (ValueError, InvalidOperation):
                return error(400, f"Position {n}: Invalid quantity format")
            if units <= 0:
                return error(400, f"Position {n}: Quantity must be a positive number")
            contract = self._option(leg["symbol"], leg["exchange"])
            if contract is None or leg["product"] not in Product.__members__:
                continue
            side = Side(leg["action"].upper())
            if price <= 0 or leg["pricetype"] == "MARKET":
                last, bid, ask = self.exchange.market.ticks(contract, self.exchange.t)
                touch = (ask if side is Side.BUY else bid) or last
                price = self.exchange.market.price(contract.index, touch)
            legs.append((contract, Product(leg["product"]), side.sign * units, price))
        if not legs:
            return error(400, "No valid positions to calculate margin. Check if symbols are valid.")
        total, span, elm = self.exchange.margin_of_basket(legs, alone=len(legs) == 1)
        return ok(
            data={"exposure_margin": float(elm), "span_margin": float(span), "total_margin_required": float(total)},
        )

    def positionbook(self, _: dict[str, Any]) -> Answer:
        """Return today's positions; closed ones stay with quantity 0 and average "0.00", after the open ones."""
        rows = []
        positions = self.exchange.account.positions.values()
        for position in sorted(positions, key=lambda p: p.quantity == 0):
            contract = position.contract
            last = self._price(contract, self.exchange.market.ticks(contract, self.exchange.t)[0])
            pnl = position.realized + (Decimal(str(last)) - position.average) * position.quantity
            rows.append(
                {
                    "average_price": f"{position.average:.2f}",
                    "exchange": contract.exchange.value,
                    "ltp": last,
                    "pnl": round(float(pnl), 2),
                    "product": position.product.value,
                    "quantity": position.quantity,
                    "symbol": position.symbol,
                }
            )
        return ok(data=rows)

    def openposition(self, body: dict[str, Any]) -> Answer:
        """Return one position's quantity; 0 also for a symbol that nobody knows."""
        for position in self.exchange.account.positions.values():
            asked = (body["symbol"], body["exchange"], body["product"])
            if asked == (position.symbol, position.contract.exchange.value, position.product.value):
                return ok(quantity=position.quantity)
        return ok(quantity=0)

    # -- orders -----------------------------------------------------------------------------------------------------

    def _row(self, order: Order) -> dict[str, Any]:
        contract = order.ticket.contract
        return {
            "action": order.ticket.side.value,
            "exchange": contract.exchange.value,
            "order_status": order.status.value,
            "orderid": order.order_id,
            "price": self._price(contract, order.price),
            "pricetype": order.ticket.kind.value,
            "product": order.ticket.product.value,
            "quantity": order.quantity,
            "symbol": order.ticket.symbol,
            "timestamp": self.exchange.moment(order.placed_us).astimezone(IST).strftime("%Y-%m-%d %H:%M:%S"),
            "trigger_price": self._price(contract, order.trigger),
        }

    def orderbook(self, _: dict[str, Any]) -> Answer:
        """Return the day's orders, oldest first: no strategy, no filled quantity, no reason."""
        orders = self.exchange.orders.values()
        states = [order.status for order in orders]
        sides = [order.ticket.side for order in orders]
        return ok(
            data={
                "orders": [self._row(order) for order in orders],
                "statistics": {
                    "total_buy_orders": sides.count(Side.BUY),
                    "total_completed_orders": states.count(Status.COMPLETE),
                    "total_open_orders": states.count(Status.OPEN),
                    "total_rejected_orders": states.count(Status.REJECTED),
                    "total_sell_orders": sides.count(Side.SELL),
                },
            }
        )

    def tradebook(self, _: dict[str, Any]) -> Answer:
        """Return one row for each fill, with the time of day only and no trade id."""
        rows = []
        for trade in self.exchange.trades:
            contract = trade.ticket.contract
            price = self._price(contract, trade.price)
            rows.append(
                {
                    "action": trade.ticket.side.value,
                    "average_price": price,
                    "exchange": contract.exchange.value,
                    "orderid": trade.order_id,
                    "product": trade.ticket.product.value,
                    "quantity": trade.units,
                    "symbol": trade.ticket.symbol,
                    "timestamp": self.exchange.moment(trade.at_us).astimezone(IST).strftime("%H:%M:%S"),
                    "trade_value": round(price * trade.units, 2),
                }
            )
        return ok(data=rows)

    def orderstatus(self, body: dict[str, Any]) -> Answer:
        """Return one order; `average_price` is its first trade's price, and only once it is complete."""
        order = self.exchange.orders.get(body["orderid"])
        if order is None:
            return error(404, f"Order {body['orderid']} not found")
        row = self._row(order)
        complete = order.status is Status.COMPLETE and order.trades
        row["average_price"] = self._price(order.ticket.contract, order.trades[0].price) if complete else 0.0
        return ok(data=dict(sorted(row.items())))

    def _to_ticks(self, contract: Contract, price: float) -> int:
        tick = self.exchange.day.specs[contract.index].tick
        ticks = Decimal(repr(round(price, 6))) / tick
        if ticks % 1:
            message = (
                f"Tick size for this script is {tick}. Kindly enter price in the multiple of tick size for this script."
            )
            raise OrderRefused(message)
        return int(ticks)

    def placeorder(self, body: dict[str, Any]) -> Answer:
        """Take an order: an id means acknowledged, not filled."""
        try:
            contract = self._option(body["symbol"], body["exchange"])
            if contract is None:
                return error(400, "The instrument you are placing an order for has either expired or does not exist.")
            if body["pricetype"] == "SL-M":
                return error(400, "SL-M orders are blocked for options. Use SL orders.")
            if body["product"] not in Product.__members__:
                return error(400, f"Product {body['product']} is not allowed for options.")
            ticket = Ticket(
                contract=contract,
                symbol=body["symbol"],
                side=Side(body["action"].upper()),
                quantity=body["quantity"],
                product=Product(body["product"]),
                kind=PriceType(body["pricetype"]),
                price=self._to_ticks(contract, body["price"]),
                trigger=self._to_ticks(contract, body["trigger_price"]),
                strategy=body["strategy"],
            )
            order = self.exchange.place(ticket)
        except OrderRefused as refused:
            return error(400, str(refused))
        self._record("place", {name: body[name] for name in body if name != "apikey"}, order.order_id)
        return ok(orderid=order.order_id)

    def modifyorder(self, body: dict[str, Any]) -> Answer:
        """Change quantity and prices of a live order."""
        try:
            order = self.exchange.orders.get(body["orderid"])
            if order is None:
                return error(400, "Couldn't find that `order_id`.")
            contract = order.ticket.contract
            self.exchange.modify(
                order.order_id,
                quantity=body["quantity"],
                price=self._to_ticks(contract, body["price"]),
                trigger=self._to_ticks(contract, body["trigger_price"]),
            )
        except OrderRefused as refused:
            return error(400, str(refused))
        self._record("modify", {name: body[name] for name in body if name != "apikey"}, order.order_id)
        return ok(orderid=order.order_id)

    def cancelorder(self, body: dict[str, Any]) -> Answer:
        """Cancel a live order; every failure is a 500 at this broker."""
        try:
            self.exchange.cancel(body["orderid"])
        except OrderRefused as refused:
            return error(500, f"Failed to cancel order: {refused}")
        self._record("cancel", {name: body[name] for name in body if name != "apikey"}, body["orderid"])
        return ok(orderid=body["orderid"])

    # -- market data ------------------------------------------------------------------------------------------------

    def _quote(self, symbol: str, exchange: str) -> dict[str, Any] | None:
        market, t = self.exchange.market, self.exchange.t
        index = self._index(symbol, exchange)
        if index is not None:
            opened, high, low, before = market.spot_range(index, t)
            return {
                "ask": 0,
                "bid": 0,
                "high": high,
                "low": low,
                "ltp": market.spot(index, t),
                "oi": 0,
                "open": opened,
                "prev_close": before,
                "volume": 0,
            }
        contract = self._option(symbol, exchange)
        if contract is None:
            return None
        quote = self._leg(contract)
        return {key: quote[key] for key in ("ask", "bid", "high", "low", "ltp", "oi", "open", "prev_close", "volume")}

    def _leg(self, contract: Contract) -> dict[str, Any]:
        """Return one option's figures; out of hours nobody bids or asks."""
        market, t = self.exchange.market, self.exchange.t
        column = market.column(contract)
        prices = market.slice(contract.index, contract.expiry, t).prices[contract.right]
        span = market.day_range(contract.index, contract.expiry, contract.right, t)
        trading = self.exchange.is_open
        distance = abs(float(contract.strike) / market.spot(contract.index, t) - 1.0)
        crowd = int(40_000 / (1.0 + (distance * 90.0) ** 2)) + 10
        lot = self.exchange.day.specs[contract.index].lot

        def rupees(ticks: Any) -> float:
            return self._price(contract, int(ticks))

        return {
            "ltp": rupees(prices.last[column]),
            "bid": rupees(prices.bid[column]) if trading else 0,
            "ask": rupees(prices.ask[column]) if trading else 0,
            "open": rupees(span.open[column]),
            "high": rupees(span.high[column]),
            "low": rupees(span.low[column]),
            "prev_close": rupees(span.previous_close[column]),
            "volume": lot * (crowd * max(t, 0) // 22_500),
            "oi": lot * crowd,
        }

    def quotes(self, body: dict[str, Any]) -> Answer:
        """Return one quote; no quantity, no time."""
        quote = self._quote(body["symbol"], body["exchange"])
        return ok(data=quote) if quote else error(400, _not_found(body["symbol"], body["exchange"]))

    def multiquotes(self, body: dict[str, Any]) -> Answer:
        """Return many quotes; unknown symbols come first, with an error instead of data."""
        good, bad = [], []
        for asked in body["symbols"]:
            quote = self._quote(asked["symbol"], asked["exchange"])
            row = {"exchange": asked["exchange"], "symbol": asked["symbol"]}
            if quote:
                good.append({"data": quote, **row})
            else:
                bad.append({"error": _not_found(asked["symbol"], asked["exchange"]), **row})
        if not good:
            return 400, {"invalid_symbols": bad, "message": bad[0]["error"], "status": "error"}
        return ok(results=bad + good)

    def depth(self, body: dict[str, Any]) -> Answer:
        """Return five levels a side; an index has none."""
        quote = self._quote(body["symbol"], body["exchange"])
        if quote is None:
            return error(400, _not_found(body["symbol"], body["exchange"]))
        contract = self._option(body["symbol"], body["exchange"])
        ladders: list[list[tuple[int, int]]] = [[], []]
        if contract is not None and self.exchange.is_open:
            ladders = list(self.exchange.market.depth(contract, self.exchange.t))
        sides = []
        for rows in ladders:
            filled = [{"price": self._price(contract, p), "quantity": q} for p, q in rows] if contract else []
            sides.append(filled + [_NO_LEVEL] * (LEVELS - len(filled)))
        lot = self.exchange.day.specs[contract.index].lot if contract else 0
        return ok(
            data={
                "asks": sides[1],
                "bids": sides[0],
                "high": quote["high"],
                "low": quote["low"],
                "ltp": quote["ltp"],
                "ltq": lot,
                "oi": quote["oi"],
                "open": quote["open"],
                "prev_close": quote["prev_close"],
                "totalbuyqty": sum(q for _, q in ladders[0]),
                "totalsellqty": sum(q for _, q in ladders[1]),
                "volume": quote["volume"],
            }
        )

    # -- contracts --------------------------------------------------------------------------------------------------

    def _underlying(self, body: dict[str, Any]) -> tuple[Index, date] | Answer:
        """Return the index and expiry that a chain or an offset is asked for, or the error that the server gives."""
        name, exchange = body["underlying"], body["exchange"]
        index = next((i for i in self.exchange.day.specs if i.value == name), None)
        if index is None or exchange not in {OPTION_EXCHANGE[index].value, INDEX_EXCHANGE[OPTION_EXCHANGE[index]]}:
            asked = exchange if exchange in _EXCHANGES_OF_INDICES else f"{exchange[:1] and 'NSE'}_INDEX"
            return 400, {"status": "error", "message": f"Failed to fetch LTP for {name}: {_not_found(name, asked)}"}
        text = body["expiry_date"]
        try:
            expiry = parse_expiry(text.upper())
        except UnknownSymbol:
            expiry = None
        if expiry not in self.exchange.day.expiries.get(index, ()) or (
            expiry and format_expiry(expiry) != text.upper()
        ):
            message = (
                f"No strikes found for {name} expiring {text}. Please check expiry date or update master contract."
            )
            return 404, {"status": "error", "message": message}
        if expiry is None or text != text.upper():
            return 404, {"status": "error", "message": "No valid option symbols found for the given parameters"}
        return index, expiry

    def optionchain(self, body: dict[str, Any]) -> Answer:
        """Return the chain around the money; `bid_qty` and `ask_qty` are always 0 at this broker."""
        found = self._underlying(body)
        if isinstance(found[1], dict):
            return found  # type: ignore[return-value]
        index, expiry = found
        exchange, market, t = self.exchange, self.exchange.market, self.exchange.t
        spec = exchange.day.specs[index]
        strikes = market.strikes(index)
        money = int(abs(strikes - market.spot(index, t)).argmin())
        reach = body["strike_count"]
        first, last = (
            (0, len(strikes)) if reach is None else (max(0, money - reach), min(len(strikes), money + reach + 1))
        )
        legs = {right: self._chain_side(index, expiry, right, first, last) for right in Right}
        rows = []
        for n, column in enumerate(range(first, last)):
            row: dict[str, Any] = {"strike": float(strikes[column])}
            for right, name, inward in ((Right.CE, "ce", money - column), (Right.PE, "pe", column - money)):
                label = "ATM" if inward == 0 else f"ITM{inward}" if inward > 0 else f"OTM{-inward}"
                symbol = f"{index.value}{body['expiry_date']}{int(strikes[column])}{right.value}"
                figures = legs[right][n]
                row[name] = {
                    "symbol": symbol,
                    "label": label,
                    **figures,
                    "lotsize": spec.lot,
                    "tick_size": float(spec.tick),
                }
            rows.append(row)
        closes = datetime.combine(expiry, time(15, 30), IST)
        return 200, {
            "status": "success",
            "underlying": index.value,
            "underlying_symbol": index.value,
            "underlying_exchange": INDEX_EXCHANGE[OPTION_EXCHANGE[index]],
            "underlying_ltp": market.spot(index, t),
            "underlying_prev_close": market.paths[index].previous_close,
            "expiry_date": body["expiry_date"],
            "expiry_ts": int(closes.timestamp()),
            "server_ts": int(exchange.now.timestamp()),
            "atm_strike": float(strikes[money]),
            "quotes_included": True,
            "greeks_included": False,
            "forward_price": None,
            "chain": rows,
        }

    def _chain_side(self, index: Index, expiry: date, right: Right, first: int, last: int) -> list[dict[str, Any]]:
        market, t = self.exchange.market, self.exchange.t
        tick = float(self.exchange.day.specs[index].tick)
        lot = self.exchange.day.specs[index].lot
        prices = market.slice(index, expiry, t).prices[right]
        span = market.day_range(index, expiry, right, t)
        trading = self.exchange.is_open
        part = slice(first, last)

        def rupees(ticks: Any) -> list[float]:
            return (ticks[part] * tick).round(2).tolist()  # type: ignore[no-any-return]

        distance = abs(market.strikes(index)[part] / market.spot(index, t) - 1.0)
        crowd = (40_000 / (1.0 + (distance * 90.0) ** 2)).astype(int) + 10
        volume, interest = (lot * (crowd * max(t, 0) // 22_500)).tolist(), (lot * crowd).tolist()
        nobody = [0] * (last - first)
        columns = zip(
            rupees(prices.last),
            rupees(prices.bid) if trading and t != PRE_OPEN else nobody,
            rupees(prices.ask) if trading and t != PRE_OPEN else nobody,
            rupees(span.open),
            rupees(span.high),
            rupees(span.low),
            rupees(span.previous_close),
            volume,
            interest,
            strict=True,
        )
        return [
            {
                "ltp": ltp,
                "bid": bid,
                "ask": ask,
                "bid_qty": 0,
                "ask_qty": 0,
                "open": opened,
                "high": high,
                "low": low,
                "prev_close": before,
                "volume": traded,
                "oi": oi,
            }
            for ltp, bid, ask, opened, high, low, before, traded, oi in columns
        ]

    def optionsymbol(self, body: dict[str, Any]) -> Answer:
        """Resolve an offset from the money to a listed symbol."""
        found = self._underlying(body)
        if isinstance(found[1], dict):
            return found  # type: ignore[return-value]
        index, expiry = found
        market, spec = self.exchange.market, self.exchange.day.specs[index]
        strikes = market.strikes(index)
        spot = market.spot(index, self.exchange.t)
        right = Right(body["option_type"].upper())
        offset = body["offset"]
        steps = 0 if offset == "ATM" else int(offset[3:]) * (1 if offset.startswith("OTM") else -1)
        column = int(abs(strikes - spot).argmin()) + steps * (1 if right is Right.CE else -1)
        if not 0 <= column < len(strikes):
            return 404, {"status": "error", "message": "No valid option symbols found for the given parameters"}
        contract = Contract(index, expiry, Decimal(int(strikes[column])), right)
        return 200, {
            "status": "success",
            "symbol": format_symbol(contract),
            "exchange": contract.exchange.value,
            "lotsize": spec.lot,
            "tick_size": float(spec.tick),
            "freeze_qty": self._freeze(contract),
            "underlying_ltp": spot,
        }

    def _freeze(self, contract: Contract) -> int:
        """Return the freeze quantity as the server shows it: 1 (not configured) for everything on BFO."""
        return self.exchange.day.specs[contract.index].freeze_quantity if contract.exchange.value == "NFO" else 1

    def symbol(self, body: dict[str, Any]) -> Answer:
        """Return the master-contract row of an index or an option."""
        name, exchange = body["symbol"], body["exchange"]
        index = self._index(name, exchange)
        contract = self._option(name, exchange)
        if index is None and contract is None:
            return error(404, f"Symbol {name} not found in exchange {exchange}")
        row: dict[str, Any] = {
            "brexchange": exchange.removesuffix("_INDEX"),
            "brsymbol": name,
            "exchange": exchange,
            "expiry": "",
            "freeze_qty": 1,
            "id": 1,
            "instrumenttype": "INDEX",
            "lotsize": 1,
            "name": name,
            "strike": 0.0,
            "symbol": name,
            "tick_size": 0.05,
            "token": "10000::::10000",
        }
        if contract is not None:
            spec = self.exchange.day.specs[contract.index]
            text = format_expiry(contract.expiry)
            number = contract.expiry.toordinal() % 1000 * 1000 + self.exchange.market.column(contract) * 2
            number += contract.right is Right.PE
            row |= {
                "expiry": f"{text[:2]}-{text[2:5]}-{text[5:]}",
                "freeze_qty": self._freeze(contract),
                "id": number,
                "instrumenttype": contract.right.value,
                "lotsize": spec.lot,
                "name": contract.index.value,
                "strike": float(contract.strike),
                "tick_size": float(spec.tick),
                "token": f"{number}::::{number}",
            }
        return ok(data=row)

    def expiry(self, body: dict[str, Any]) -> Answer:
        """Return the listed expiries as DD-MMM-YY; none for what is unknown, which is still a success."""
        name, exchange, kind = body["symbol"], body["exchange"], body["instrumenttype"]
        index = next(
            (i for i in self.exchange.day.specs if i.value == name and OPTION_EXCHANGE[i].value == exchange), None
        )
        dates = self.exchange.day.expiries.get(index, ()) if index and kind == "options" else ()
        if not dates:
            return ok(data=[], message=f"No expiry dates found for {name} {kind} in {exchange}")
        texts = [format_expiry(d) for d in dates]
        data = [f"{t[:2]}-{t[2:5]}-{t[5:]}" for t in texts]
        return ok(data=data, message=f"Found {len(data)} expiry dates for {name} {kind} in {exchange}")

    # -- calendar ---------------------------------------------------------------------------------------------------

    def holidays(self, body: dict[str, Any]) -> Answer:
        """Return the trading holidays of a year; an empty list means unknown."""
        year = body["year"] or self.exchange.day.date.year
        rows = [
            {
                "closed_exchanges": ["NSE", "BSE", "NFO", "BFO", "CDS", "BCD"],
                "date": day.isoformat(),
                "description": text,
                "holiday_type": "TRADING_HOLIDAY",
                "open_exchanges": [],
            }
            for day, text in self.exchange.day.holidays
            if day.year == year
        ]
        return ok(data=rows, timezone="Asia/Kolkata", year=year)

    def timings(self, body: dict[str, Any]) -> Answer:
        """Return the sessions of a date in epoch milliseconds; an exchange that is absent is closed."""
        try:
            day = date.fromisoformat(body["date"])
        except ValueError:
            return error(400, "Invalid date format. Use YYYY-MM-DD")
        closed = {holiday for holiday, _ in self.exchange.day.holidays}
        if day.weekday() >= 5 or day in closed:
            return ok(data=[])
        rules = self.exchange.day

        def row(name: str, closes: time) -> dict[str, Any]:
            starts, ends = (int(datetime.combine(day, at, IST).timestamp() * 1000) for at in (rules.opens, closes))
            return {"end_time": ends, "exchange": name, "start_time": starts}

        options = [row(name, rules.closes) for name in ("NFO", "BFO")]
        return ok(data=[row("NSE", rules.index_closes), row("BSE", rules.index_closes), *options])


def replay(views: Views, kind: str, body: dict[str, Any]) -> str:
    """Apply a recorded command to the exchange again; return the order id that it concerned."""
    handler = {"place": views.placeorder, "modify": views.modifyorder, "cancel": views.cancelorder}[kind]
    _, answer = handler(body)
    return str(answer.get("orderid", answer.get("message")))
