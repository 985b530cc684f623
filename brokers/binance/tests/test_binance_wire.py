"""What answers of the venue mean: orders, trades, accounts, rules, events; with and without what may be missing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from trader.errors import BadPayload
from trader.model import CashEvent, OrderState, OrderType, Position, Side
from trader_broker_binance import futures_wire, wire
from trader_broker_binance.names import Names, parts, venue_id
from trader_broker_binance.wire import Ended

NAMES = Names({"BTCUSDT": "BTC/USDT", "ETHBTC": "ETH/BTC"})
AT = datetime(2026, 1, 31, 14, 30, 0, 123_000, UTC)
MILLIS = 1_769_869_800_123

ORDER = {
    "symbol": "BTCUSDT", "orderId": 28, "orderListId": -1, "clientOrderId": "t0123", "price": "60000.10",
    "origQty": "0.50000000", "executedQty": "0.10000000", "status": "PARTIALLY_FILLED",
    "timeInForce": "GTC", "type": "LIMIT", "side": "BUY", "stopPrice": "0.0", "time": 1, "updateTime": MILLIS,
    "isWorking": True, "origQuoteOrderQty": "0.000000",
}  # fmt: skip
TRADE = {
    "symbol": "BTCUSDT", "id": 28457, "orderId": 28, "orderListId": -1, "price": "60000.10", "qty": "0.1",
    "quoteQty": "6000.01", "commission": "0.0001", "commissionAsset": "BTC", "time": MILLIS, "isBuyer": True,
    "isMaker": False,
}  # fmt: skip
USER_TRADE = {
    "buyer": False, "commission": "-0.078", "commissionAsset": "USDT", "id": 698759, "orderId": 25851813,
    "price": "60001.1", "qty": "0.002", "quoteQty": "15.63", "realizedPnl": "-0.91", "side": "SELL",
    "positionSide": "BOTH", "symbol": "BTCUSDT", "time": MILLIS,
}  # fmt: skip
ACCOUNT = {
    "canTrade": True, "canWithdraw": True, "updateTime": MILLIS, "accountType": "SPOT", "uid": 354937868,
    "balances": [
        {"asset": "USDT", "free": "90.5", "locked": "9.5"}, {"asset": "BTC", "free": "1.0", "locked": "0.5"},
        {"asset": "BNB", "free": "0.0", "locked": "0.0"},
    ],
}  # fmt: skip
SYMBOL = {
    "symbol": "BTCUSDT", "status": "TRADING", "baseAsset": "BTC", "baseAssetPrecision": 8, "quoteAsset": "USDT",
    "quotePrecision": 8, "isSpotTradingAllowed": True,
    "filters": [
        {"filterType": "PRICE_FILTER", "minPrice": "0.01", "maxPrice": "1000000", "tickSize": "0.01000000"},
        {"filterType": "LOT_SIZE", "minQty": "0.00001", "maxQty": "9000", "stepSize": "0.00001000"},
        {"filterType": "MARKET_LOT_SIZE", "minQty": "0", "maxQty": "100", "stepSize": "0.00000000"},
        {"filterType": "NOTIONAL", "minNotional": "5.00000000", "applyMinToMarket": True},
    ],
}  # fmt: skip
CONTRACT = {
    "symbol": "BTCUSDT", "contractType": "PERPETUAL", "status": "TRADING", "baseAsset": "BTC", "quoteAsset": "USDT",
    "marginAsset": "USDT", "pricePrecision": 2, "quantityPrecision": 3,
    "filters": [
        {"filterType": "PRICE_FILTER", "tickSize": "0.10"}, {"filterType": "LOT_SIZE", "stepSize": "0.001"},
        {"filterType": "MARKET_LOT_SIZE", "stepSize": "0.001"}, {"filterType": "MIN_NOTIONAL", "notional": "100"},
    ],
}  # fmt: skip
EXECUTION = {
    "e": "executionReport", "E": MILLIS, "s": "BTCUSDT", "c": "t0123", "S": "BUY", "o": "LIMIT", "f": "GTC",
    "q": "1.00000000", "p": "60000", "P": "0.00000000", "F": "0", "g": -1, "C": "", "x": "NEW", "X": "NEW", "r": "NONE",
    "i": 4293153, "l": "0.00000000", "z": "0.00000000", "L": "0.00000000", "n": "0", "N": None, "T": MILLIS, "t": -1,
}  # fmt: skip
ORDER_TRADE = {
    "e": "ORDER_TRADE_UPDATE", "E": MILLIS, "T": MILLIS,
    "o": {
        "s": "BTCUSDT", "c": "t0123", "S": "SELL", "o": "MARKET", "f": "GTC", "q": "0.002", "p": "0", "ap": "60001",
        "sp": "0", "x": "TRADE", "X": "FILLED", "i": 8886774, "l": "0.002", "z": "0.002", "L": "60001", "N": "USDT",
        "n": "0.05", "T": MILLIS, "t": 698759, "R": False, "ps": "BOTH", "rp": "0",
    },
}  # fmt: skip
ALGO = {
    "algoId": 2146760, "clientAlgoId": "t0123", "algoType": "CONDITIONAL", "orderType": "STOP_MARKET",
    "symbol": "BTCUSDT", "side": "SELL", "positionSide": "BOTH", "timeInForce": "GTC", "quantity": "0.01",
    "algoStatus": "NEW", "actualOrderId": "", "actualPrice": "0.00000", "triggerPrice": "55000.000", "price": "0.000",
    "icebergQuantity": None, "createTime": 1, "updateTime": MILLIS, "triggerTime": 0, "goodTillDate": 0,
}  # fmt: skip
ALGO_UPDATE = {
    "e": "ALGO_UPDATE", "T": MILLIS, "E": MILLIS,
    "o": {
        "caid": "t0123", "aid": 2148719, "at": "CONDITIONAL", "o": "STOP", "s": "BTCUSDT", "S": "SELL", "ps": "BOTH",
        "f": "GTC", "q": "0.01", "X": "TRIGGERED", "ai": "8886774", "tp": "55000", "p": "54990", "rm": "",
    },
}  # fmt: skip
INCOME = {
    "symbol": "BTCUSDT", "incomeType": "FUNDING_FEE", "income": "-0.37500000", "asset": "USDT", "info": "",
    "time": MILLIS, "tranId": 9689322392, "tradeId": "",
}  # fmt: skip
DEPOSIT = {
    "id": "769800519366885376", "amount": "250.50000000", "coin": "USDT", "network": "ETH", "status": 1,
    "address": "0xa1", "addressTag": "", "txId": "0xb2", "insertTime": MILLIS - 60_000, "completeTime": MILLIS,
    "transferType": 0, "confirmTimes": "1/1", "unlockConfirm": 0, "walletType": 0,
}  # fmt: skip
WITHDRAWAL = {
    "id": "b6ae22b3aa844210a7041aee7589627c", "amount": "28.75000000", "transactionFee": "0.25", "coin": "USDT",
    "status": 6, "address": "0xa1", "txId": "0xb3", "applyTime": "2026-01-31 14:30:00", "network": "ETH",
    "transferType": 0, "info": "", "confirmNo": 3, "walletType": 0, "completeTime": "2026-01-31 14:52:41",
}  # fmt: skip
DISTRIBUTION = {
    "id": 1637366104, "amount": "10.00000000", "asset": "USDT", "divTime": MILLIS, "enInfo": "USDT distribution",
    "tranId": 2968885920, "direction": 1,
}  # fmt: skip
POSITION = {
    "symbol": "BTCUSDT", "positionSide": "BOTH", "positionAmt": "-0.002", "entryPrice": "60000.5", "markPrice": "59999",
}  # fmt: skip


# ---- orders and trades -----------------------------------------------------------------------------------------------
def test_an_order_is_read():
    report = wire.order(ORDER, NAMES)
    assert (report.key, report.venue_id, report.symbol, report.side) == ("t0123", "BTCUSDT:28", "BTC/USDT", Side.BUY)
    assert (report.quantity, report.filled, report.limit_price) == (Decimal("0.5"), Decimal("0.1"), Decimal("60000.10"))
    assert report.state is OrderState.WORKING and report.type is OrderType.LIMIT
    assert report.stop_price is None and report.time == AT


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("NEW", OrderState.WORKING), ("PENDING_NEW", OrderState.WORKING), ("PENDING_CANCEL", OrderState.CANCEL_SENT),
        ("FILLED", OrderState.FILLED), ("CANCELED", OrderState.CANCELED), ("REJECTED", OrderState.REJECTED),
        ("EXPIRED", OrderState.EXPIRED), ("EXPIRED_IN_MATCH", OrderState.EXPIRED), ("NEWER", OrderState.UNKNOWN),
    ],
)  # fmt: skip
def test_a_word_that_nobody_knows_is_an_unknown_state(word, state):
    assert wire.order({**ORDER, "status": word}).state is state


def test_a_canceled_order_keeps_the_id_that_it_was_sent_with():
    told = {**ORDER, "origClientOrderId": "t0123", "clientOrderId": "made-for-the-cancel", "transactTime": MILLIS}
    assert wire.order(told).key == "t0123"


def test_numbers_of_two_symbols_are_two_orders():
    """The venue counts orders by symbol."""
    assert venue_id("BTCUSDT", "28") != venue_id("ETHUSDT", "28") != venue_id("ETHUSDT", "28", "algo")
    assert parts("ETHUSDT:algo:28") == ("ETHUSDT", "algo", "28")
    assert parts("ETHUSDT:28") == ("ETHUSDT", "", "28")
    assert parts("28") == ("", "", "28")


def test_a_trade_says_what_its_fee_was_paid_in():
    fill = wire.fill(TRADE, NAMES, "t0123")
    assert (fill.execution_id, fill.key, fill.venue_id, fill.side) == ("28457", "t0123", "BTCUSDT:28", Side.BUY)
    assert (fill.fee, fill.fee_currency, fill.time) == (Decimal("0.0001"), "BTC", AT)


def test_a_futures_trade_says_its_side_and_may_earn_a_fee():
    fill = futures_wire.fill(USER_TRADE, NAMES)
    assert (fill.side, fill.fee, fill.key) == (Side.SELL, Decimal("-0.078"), "")


@pytest.mark.parametrize(
    ("field", "value"), [("origQty", "-1"), ("executedQty", 0.1), ("orderId", "abc"), ("side", "LEFT"), ("symbol", "")]
)
def test_an_order_that_cannot_be_is_refused_by_its_field(field, value):
    with pytest.raises(BadPayload, match=field):
        wire.order({**ORDER, field: value})


# ---- accounts --------------------------------------------------------------------------------------------------------
def test_an_account_counts_what_is_locked():
    account = wire.account(ACCOUNT, prices={"BTC": Decimal(60_000)}, time=AT)
    assert (account.account_id, account.currency, account.cash) == ("354937868", "USDT", Decimal(100))
    assert account.equity == Decimal(90_100)
    assert account.shorting is False


def test_withdrawals_are_a_word_of_the_keys_restrictions_not_of_the_account():
    """canWithdraw says what the account may do, enableWithdrawals what the key may."""
    assert wire.account(ACCOUNT).permissions == ("read", "trade")
    told = {
        "enableReading": True,
        "enableWithdrawals": True,
        "enableSpotAndMarginTrading": True,
        "enableFutures": False,
    }
    assert set(wire.restrictions(told)) == {"read", "trade", "withdraw"}
    assert set(wire.restrictions(told, "futures")) == {"read", "withdraw"}


def test_a_balance_is_a_position_in_its_pair():
    assert wire.position(ACCOUNT["balances"][1], price=Decimal(9)) == Position("BTC/USDT", Decimal("1.5"), Decimal(9))


def test_a_futures_account_has_the_wallet_as_cash():
    told = {
        "canTrade": True,
        "assets": [
            {"asset": "BNB", "walletBalance": "1", "marginBalance": "1"},
            {"asset": "USDT", "walletBalance": "100.5", "marginBalance": "90.25", "availableBalance": "80"},
        ],
    }
    account = futures_wire.account(told, account_id="SgsR", time=AT)
    assert (account.cash, account.equity, account.settled_cash) == (Decimal("100.5"), Decimal("90.25"), Decimal(80))
    assert account.shorting is True


def test_half_a_hedge_is_no_position():
    assert futures_wire.position(POSITION, NAMES) == Position("BTC/USDT", Decimal("-0.002"), Decimal("60000.5"))
    with pytest.raises(BadPayload, match="positionSide"):
        futures_wire.position({**POSITION, "positionSide": "SHORT"})


# ---- rules -----------------------------------------------------------------------------------------------------------
def test_filters_are_the_rules_of_a_symbol():
    rules = wire.instrument(SYMBOL)
    assert (rules.symbol, rules.currency, rules.settlement, rules.shortable) == ("BTC/USDT", "USDT", "cash", False)
    assert (rules.tick, rules.lot, rules.min_notional) == (Decimal("0.01"), Decimal("0.00001"), Decimal(5))
    assert rules.tradable and rules.tags["venue"] == "BTCUSDT"
    assert not wire.instrument({**SYMBOL, "status": "BREAK"}).tradable


def test_a_contract_is_settled_by_margin_and_says_its_least_worth_in_another_field():
    rules = futures_wire.instrument(CONTRACT)
    assert (rules.symbol, rules.settlement, rules.shortable, rules.min_notional) == (
        "BTC/USDT", "margin", True, Decimal(100)
    )  # fmt: skip


def test_a_contract_that_is_delivered_keeps_the_venues_name():
    told = {**CONTRACT, "symbol": "BTCUSDT_260327", "contractType": "CURRENT_QUARTER"}
    assert futures_wire.instrument(told).symbol == "BTCUSDT_260327"


def test_a_coarser_step_of_market_orders_is_the_lot():
    coarse = [
        {**one, "stepSize": "0.001"} if one["filterType"] == "MARKET_LOT_SIZE" else one for one in SYMBOL["filters"]
    ]
    assert wire.instrument({**SYMBOL, "filters": coarse}).lot == Decimal("0.001")


def test_a_symbol_without_filters_has_its_precisions():
    rules = wire.instrument({**SYMBOL, "filters": []})
    assert (rules.tick, rules.lot, rules.min_notional) == (Decimal("1E-8"), Decimal("1E-8"), Decimal(0))


# ---- the streams -----------------------------------------------------------------------------------------------------
def test_an_execution_is_a_fill_and_a_report():
    told = {
        **EXECUTION,
        "x": "TRADE",
        "X": "FILLED",
        "l": "1",
        "z": "1",
        "L": "59999",
        "n": "0.001",
        "N": "BTC",
        "t": 77,
    }
    fill, report = wire.stream_event(told, NAMES)
    assert (fill.execution_id, fill.price, fill.fee, fill.fee_currency) == (
        "77",
        Decimal(59_999),
        Decimal("0.001"),
        "BTC",
    )
    assert report.state is OrderState.FILLED and report.filled == 1 and fill.key == report.key == "t0123"


def test_after_a_cancel_the_event_has_the_orders_own_id_in_another_field():
    (report,) = wire.stream_event({**EXECUTION, "x": "CANCELED", "X": "CANCELED", "c": "of-the-cancel", "C": "t0123"})
    assert report.key == "t0123" and report.state is OrderState.CANCELED


@pytest.mark.parametrize("kind", ["error", "eventStreamTerminated", "listenKeyExpired"])
def test_a_stream_that_ends_says_so(kind):
    for read in (wire.stream_event, futures_wire.stream_event):
        (event,) = read({"e": kind, "m": "gone"})
        assert isinstance(event, Ended) and kind in event.reason


def test_what_no_order_is_about_says_nothing():
    for kind in ("outboundAccountPosition", "balanceUpdate", "TRADE_LITE", "ACCOUNT_UPDATE", "something new", ""):
        assert wire.stream_event({"e": kind}) == [] == futures_wire.stream_event({"e": kind})


def test_a_futures_execution_is_a_fill_and_a_report():
    fill, report = futures_wire.stream_event(ORDER_TRADE, NAMES)
    assert (fill.execution_id, fill.venue_id, fill.fee) == ("698759", "BTCUSDT:8886774", Decimal("0.05"))
    assert report.state is OrderState.FILLED


def test_a_liquidation_is_asked_for_not_booked_from_the_stream():
    told = {**ORDER_TRADE, "o": {**ORDER_TRADE["o"], "x": "CALCULATED"}}
    _, word = futures_wire.stream_event(told)
    assert isinstance(word, Ended) and word.look_only


# ---- conditional orders and money ------------------------------------------------------------------------------------
def test_a_conditional_order_has_ids_of_its_own_space():
    algo = futures_wire.algo(ALGO, NAMES)
    assert (algo.report.venue_id, algo.report.key, algo.became) == ("BTCUSDT:algo:2146760", "t0123", "")
    assert (algo.report.type, algo.report.stop_price, algo.report.limit_price) == (
        OrderType.STOP,
        Decimal(55_000),
        None,
    )
    assert algo.report.state is OrderState.WORKING


def test_a_finished_conditional_order_is_what_its_plain_order_became():
    algo = futures_wire.algo({**ALGO, "algoStatus": "FINISHED", "actualOrderId": "28"}, NAMES)
    plain = futures_wire.order({**ORDER, "status": "CANCELED"}, NAMES)
    merged = futures_wire.merged(algo.report, plain)
    assert algo.became == "28" and algo.report.state is OrderState.UNKNOWN
    assert (merged.state, merged.filled, merged.venue_id) == (
        OrderState.CANCELED, Decimal("0.1"), "BTCUSDT:algo:2146760"
    )  # fmt: skip


def test_an_update_tells_what_a_conditional_order_became():
    became = futures_wire.became(ALGO_UPDATE)
    assert became == ("BTCUSDT", "t0123", "2148719", "8886774")
    (report,) = futures_wire.stream_event(ALGO_UPDATE, NAMES)
    assert report.state is OrderState.WORKING and report.type is OrderType.STOP_LIMIT
    assert futures_wire.became(ORDER_TRADE) is None


def test_income_is_a_cash_event_unless_trades_tell_of_it():
    event = futures_wire.income(INCOME, NAMES)
    assert (event.event_id, event.kind, event.amount) == ("FUNDING_FEE:9689322392", "funding", Decimal("-0.375"))
    assert event.symbol == "BTC/USDT"
    for kind in ("REALIZED_PNL", "COMMISSION"):
        assert futures_wire.income({**INCOME, "incomeType": kind}) is None
    for kind, word in (("TRANSFER", "transfer"), ("INSURANCE_CLEAR", "adjustment"), ("API_REBATE", "fee")):
        assert futures_wire.income({**INCOME, "incomeType": kind, "symbol": ""}).kind == word


def test_one_number_in_two_kinds_of_income_is_two_events():
    ids = {futures_wire.income({**INCOME, "incomeType": kind}).event_id for kind in ("FUNDING_FEE", "TRANSFER")}
    assert len(ids) == 2


# ---- money that moved without a trade, on spot -----------------------------------------------------------------------
def test_a_deposit_is_money_received_when_it_was_completed():
    event = wire.deposit(DEPOSIT)
    assert event == CashEvent("deposit:769800519366885376", "transfer", Decimal("250.5"), "USDT", AT)
    for none in (0, "", None):
        assert wire.deposit({**DEPOSIT, "completeTime": none}).time == AT - timedelta(minutes=1)


@pytest.mark.parametrize("status", [0, 2, 7, 8, 99])
def test_a_deposit_that_is_not_there_is_none(status):
    """Pending, refused, wrong, waiting for a person, or a word that nobody knows."""
    assert wire.deposit({**DEPOSIT, "status": status}) is None


def test_a_deposit_that_may_not_leave_yet_is_one_as_soon_as_its_time_is_certain():
    """Its time would change when it is completed, and what the core no longer remembers would be booked twice."""
    credited = {**DEPOSIT, "status": 6}
    assert wire.deposit(credited) == wire.deposit(DEPOSIT)
    assert wire.deposit({**credited, "completeTime": None}) is None


def test_a_withdrawal_is_what_arrived_and_the_fee_when_it_was_asked_for():
    """The venue takes both when it is asked, and says when in UTC, without a zone."""
    event = wire.withdrawal(WITHDRAWAL)
    asked = datetime(2026, 1, 31, 14, 30, tzinfo=UTC)
    assert event == CashEvent("withdrawal:b6ae22b3aa844210a7041aee7589627c", "transfer", Decimal(-29), "USDT", asked)
    for status in (0, 1, 2, 3, 4, 5):
        assert wire.withdrawal({**WITHDRAWAL, "status": status}) is None


@pytest.mark.parametrize("said", ["", "soon", "2026-01-31 14:30:00+08:00", "2026-13-31 14:30:00", 1.5, None])
def test_a_withdrawal_at_no_moment_is_told_by_its_field(said):
    with pytest.raises(BadPayload, match="applyTime"):
        wire.withdrawal({**WITHDRAWAL, "applyTime": said})


def test_what_moved_in_the_funding_wallet_is_no_money_of_the_spot_account():
    assert wire.deposit({**DEPOSIT, "walletType": 1}) is None
    assert wire.withdrawal({**WITHDRAWAL, "walletType": 1}) is None
    plain = {name: value for name, value in WITHDRAWAL.items() if name != "walletType"}
    assert wire.withdrawal(plain) == wire.withdrawal(WITHDRAWAL)


def test_a_distribution_is_interest_or_a_dividend_by_its_name():
    rows = [
        DISTRIBUTION, {**DISTRIBUTION, "id": 2, "enInfo": "Simple Earn Flexible Interest"},
        {**DISTRIBUTION, "id": 3, "direction": -1},
    ]  # fmt: skip
    events = wire.distributions({"rows": rows, "total": 3})
    assert events[0] == CashEvent("distribution:1637366104", "dividend", Decimal(10), "USDT", AT)
    assert [(event.kind, event.amount) for event in events[1:]] == [("interest", Decimal(10)), ("dividend", -10)]
    assert len({event.event_id for event in events}) == 3, "one tranId is no id: all of a distribution have it"


def test_one_number_in_two_lists_of_the_venue_is_two_events():
    events = (wire.deposit({**DEPOSIT, "id": "7"}), wire.withdrawal({**WITHDRAWAL, "id": "7"}),
              *wire.distributions({"rows": [{**DISTRIBUTION, "id": 7}]}))  # fmt: skip
    assert len({event.event_id for event in events}) == 3


# ---- market data -----------------------------------------------------------------------------------------------------
def test_a_candlestick_is_read_by_its_place():
    row = [MILLIS, "1.0", "2.0", "0.5", "1.5", "10.25", MILLIS + 59_999, "15", 3, "5", "7", "0"]
    kline = wire.bar(row)
    assert (kline.start, kline.open, kline.high, kline.low, kline.close, kline.volume) == (
        AT,
        1.0,
        2.0,
        0.5,
        1.5,
        10.25,
    )
    with pytest.raises(BadPayload):
        wire.bar(row[:4])


def test_marks_leave_out_what_nobody_quotes():
    rows = [
        {"symbol": "A", "bidPrice": "1", "askPrice": "3"},
        {"symbol": "B", "bidPrice": "0", "askPrice": "0"},
        {"symbol": "C", "bidPrice": "5", "askPrice": "0.0"},
    ]
    assert wire.marks(rows) == {"A": Decimal(2), "C": Decimal(5)}
    assert wire.marks(rows[0]) == {"A": Decimal(2)}
