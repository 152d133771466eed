"""What the broker's books show of the account: positions and funds hear of a fill late, each by itself.

Order book and trade book show a fill at once, and whether an order is taken is decided by the account as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from functools import partial
from typing import TYPE_CHECKING

from hedging.simulator.account import Account
from hedging.simulator.chance import hash01
from hedging.simulator.orders import SECOND

if TYPE_CHECKING:
    from hedging.simulator.exchange import Exchange

_SALT = 66


class ShownBooks:
    """The account as the position book has it, and as funds have it. Without a lag both are the account itself."""

    def __init__(self, *, exchange: Exchange) -> None:
        self._exchange = exchange
        self._most_us = int(exchange.rules.books_behind_seconds * SECOND)
        account = exchange.account
        self.positions, self.funds = (deepcopy(account), deepcopy(account)) if self._most_us else (account, account)
        self._changes = 0
        self._heard_us = [0, 0]

    def hear(self, change: Callable[[Account], object]) -> None:
        """Let both books make a change of the account; none before one that came earlier."""
        if not self._most_us:
            return
        exchange = self._exchange
        self._changes += 1
        for n, book in enumerate((self.positions, self.funds)):
            draw = float(hash01(exchange.seed, exchange.day.date.toordinal(), _SALT, n, self._changes)[0])
            self._heard_us[n] = max(self._heard_us[n], exchange.us + int(self._most_us * draw))
            exchange.at(self._heard_us[n], partial(_make, change, book))


def _make(change: Callable[[Account], object], book: Account) -> None:
    change(book)
