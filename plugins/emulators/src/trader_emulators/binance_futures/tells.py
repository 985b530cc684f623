"""The market streams that differ from those of the spot market."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trader_emulators.binance.listing import Pair
from trader_emulators.binance.prices import Print
from trader_emulators.binance.streams import Tell, spot_tells

if TYPE_CHECKING:
    from trader_emulators.binance_futures.futures import Futures


def futures_tells(market: Futures) -> dict[str, Tell]:
    """Quotes with a time, mark prices, and no stream of single trades: the venue's went silent."""
    spot = spot_tells(market)

    def best(pair: Pair, each: Print) -> dict[str, Any]:
        return {"e": "bookTicker", "E": market.server_time(), "T": each.time, **spot["bookTicker"](pair, each)}

    def mark(pair: Pair, _: Print) -> dict[str, Any]:
        told = market.books.premium(pair)
        return {
            "e": "markPriceUpdate", "E": told["time"], "s": told["symbol"], "p": told["markPrice"],
            "i": told["indexPrice"], "P": told["estimatedSettlePrice"], "r": told["lastFundingRate"],
            "T": told["nextFundingTime"],
        }  # fmt: skip

    return {"bookTicker": best, "aggTrade": spot["aggTrade"], "markPrice": mark}
