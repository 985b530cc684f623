"""The numbers that the package gives names to, after its public documentation."""

from __future__ import annotations

TIMEFRAMES = {
    "M1": 1, "M2": 2, "M3": 3, "M4": 4, "M5": 5, "M6": 6, "M10": 10, "M12": 12, "M15": 15, "M20": 20, "M30": 30,
    "H1": 0x4001, "H2": 0x4002, "H3": 0x4003, "H4": 0x4004, "H6": 0x4006, "H8": 0x4008, "H12": 0x400C, "D1": 0x4018,
    "W1": 0x8001, "MN1": 0xC001,
}  # fmt: skip
COUNTED = {
    "ACCOUNT_TRADE_MODE": "DEMO CONTEST REAL",
    "ACCOUNT_STOPOUT_MODE": "PERCENT MONEY",
    "ACCOUNT_MARGIN_MODE": "RETAIL_NETTING EXCHANGE RETAIL_HEDGING",
    "POSITION_TYPE": "BUY SELL",
    "POSITION_REASON": "CLIENT MOBILE WEB EXPERT",
    "ORDER_TYPE": "BUY SELL BUY_LIMIT SELL_LIMIT BUY_STOP SELL_STOP BUY_STOP_LIMIT SELL_STOP_LIMIT CLOSE_BY",
    "ORDER_STATE": "STARTED PLACED CANCELED PARTIAL FILLED REJECTED EXPIRED REQUEST_ADD REQUEST_MODIFY REQUEST_CANCEL",
    "ORDER_FILLING": "FOK IOC RETURN BOC",
    "ORDER_TIME": "GTC DAY SPECIFIED SPECIFIED_DAY",
    "ORDER_REASON": "CLIENT MOBILE WEB EXPERT SL TP SO",
    "DEAL_TYPE": "BUY SELL BALANCE CREDIT CHARGE CORRECTION BONUS COMMISSION COMMISSION_DAILY COMMISSION_MONTHLY "
    "COMMISSION_AGENT_DAILY COMMISSION_AGENT_MONTHLY INTEREST BUY_CANCELED SELL_CANCELED",
    "DEAL_ENTRY": "IN OUT INOUT OUT_BY",
    "DEAL_REASON": "CLIENT MOBILE WEB EXPERT SL TP SO ROLLOVER VMARGIN SPLIT",
    "SYMBOL_TRADE_MODE": "DISABLED LONGONLY SHORTONLY CLOSEONLY FULL",
    "SYMBOL_TRADE_EXECUTION": "REQUEST INSTANT MARKET EXCHANGE",
    "SYMBOL_CALC_MODE": "FOREX FUTURES CFD CFDINDEX CFDLEVERAGE FOREX_NO_LEVERAGE",
    "SYMBOL_ORDERS": "GTC DAILY DAILY_NO_STOPS",
    "SYMBOL_CHART_MODE": "BID LAST",
    "SYMBOL_SWAP_MODE": "DISABLED POINTS CURRENCY_SYMBOL CURRENCY_MARGIN CURRENCY_DEPOSIT INTEREST_CURRENT "
    "INTEREST_OPEN REOPEN_CURRENT REOPEN_BID",
    "SYMBOL_OPTION_RIGHT": "CALL PUT",
    "SYMBOL_OPTION_MODE": "EUROPEAN AMERICAN",
    "DAY_OF_WEEK": "SUNDAY MONDAY TUESDAY WEDNESDAY THURSDAY FRIDAY SATURDAY",
}
"""Families whose members count from 0."""
ALONE = {
    "TRADE_ACTION_DEAL": 1, "TRADE_ACTION_PENDING": 5, "TRADE_ACTION_SLTP": 6, "TRADE_ACTION_MODIFY": 7,
    "TRADE_ACTION_REMOVE": 8, "TRADE_ACTION_CLOSE_BY": 10,
    "DEAL_DIVIDEND": 15, "DEAL_DIVIDEND_FRANKED": 16, "DEAL_TAX": 17,
    "SYMBOL_CALC_MODE_EXCH_STOCKS": 32, "SYMBOL_CALC_MODE_EXCH_FUTURES": 33, "SYMBOL_CALC_MODE_EXCH_OPTIONS": 34,
    "SYMBOL_CALC_MODE_EXCH_OPTIONS_MARGIN": 36, "SYMBOL_CALC_MODE_EXCH_BONDS": 37,
    "SYMBOL_CALC_MODE_EXCH_STOCKS_MOEX": 38, "SYMBOL_CALC_MODE_EXCH_BONDS_MOEX": 39,
    "SYMBOL_CALC_MODE_SERV_COLLATERAL": 64,
    "COPY_TICKS_ALL": -1, "COPY_TICKS_INFO": 1, "COPY_TICKS_TRADE": 2,
    "TICK_FLAG_BID": 2, "TICK_FLAG_ASK": 4, "TICK_FLAG_LAST": 8, "TICK_FLAG_VOLUME": 16, "TICK_FLAG_BUY": 32,
    "TICK_FLAG_SELL": 64,
    "BOOK_TYPE_SELL": 1, "BOOK_TYPE_BUY": 2, "BOOK_TYPE_SELL_MARKET": 3, "BOOK_TYPE_BUY_MARKET": 4,
    "RES_S_OK": 1, "RES_E_FAIL": -1, "RES_E_INVALID_PARAMS": -2, "RES_E_NO_MEMORY": -3, "RES_E_NOT_FOUND": -4,
    "RES_E_INVALID_VERSION": -5, "RES_E_AUTH_FAILED": -6, "RES_E_UNSUPPORTED": -7, "RES_E_AUTO_TRADING_DISABLED": -8,
    "RES_E_INTERNAL_FAIL": -10000, "RES_E_INTERNAL_FAIL_SEND": -10001, "RES_E_INTERNAL_FAIL_RECEIVE": -10002,
    "RES_E_INTERNAL_FAIL_INIT": -10003, "RES_E_INTERNAL_FAIL_CONNECT": -10004, "RES_E_INTERNAL_FAIL_TIMEOUT": -10005,
}  # fmt: skip
RETCODES = {
    10004: ("REQUOTE", "Requote"),
    10006: ("REJECT", "Request rejected"),
    10007: ("CANCEL", "Request canceled by trader"),
    10008: ("PLACED", "Order placed"),
    10009: ("DONE", "Request executed"),
    10010: ("DONE_PARTIAL", "Request executed partially"),
    10011: ("ERROR", "Common error"),
    10012: ("TIMEOUT", "Timeout"),
    10013: ("INVALID", "Invalid request"),
    10014: ("INVALID_VOLUME", "Invalid volume"),
    10015: ("INVALID_PRICE", "Invalid price"),
    10016: ("INVALID_STOPS", "Invalid stops"),
    10017: ("TRADE_DISABLED", "Trade disabled"),
    10018: ("MARKET_CLOSED", "Market closed"),
    10019: ("NO_MONEY", "No money"),
    10020: ("PRICE_CHANGED", "Price changed"),
    10021: ("PRICE_OFF", "Off quotes"),
    10022: ("INVALID_EXPIRATION", "Invalid expiration"),
    10023: ("ORDER_CHANGED", "Order changed"),
    10024: ("TOO_MANY_REQUESTS", "Too many requests"),
    10025: ("NO_CHANGES", "No changes"),
    10026: ("SERVER_DISABLES_AT", "AutoTrading disabled by server"),
    10027: ("CLIENT_DISABLES_AT", "AutoTrading disabled by client"),
    10028: ("LOCKED", "Request locked"),
    10029: ("FROZEN", "Order or position frozen"),
    10030: ("INVALID_FILL", "Unsupported filling mode"),
    10031: ("CONNECTION", "No connection"),
    10032: ("ONLY_REAL", "Only real accounts allowed"),
    10033: ("LIMIT_ORDERS", "Limit of pending orders reached"),
    10034: ("LIMIT_VOLUME", "Limit of volume reached"),
    10035: ("INVALID_ORDER", "Invalid order"),
    10036: ("POSITION_CLOSED", "Position doesn't exist"),
    10038: ("INVALID_CLOSE_VOLUME", "Close volume exceeds position volume"),
    10039: ("CLOSE_ORDER_EXIST", "Close order already exists"),
    10040: ("LIMIT_POSITIONS", "Limit of positions reached"),
    10041: ("REJECT_CANCEL", "Activation rejected, order canceled"),
    10042: ("LONG_ONLY", "Only long positions allowed"),
    10043: ("SHORT_ONLY", "Only short positions allowed"),
    10044: ("CLOSE_ONLY", "Only closing allowed"),
    10045: ("FIFO_CLOSE", "Only closing by FIFO allowed"),
}
"""The trade server's answers: name after TRADE_RETCODE_, and what stands in the result's comment."""
CONSTANTS: dict[str, int] = {
    **{f"TIMEFRAME_{name}": value for name, value in TIMEFRAMES.items()},
    **{f"{family}_{name}": value for family, names in COUNTED.items() for value, name in enumerate(names.split())},
    **ALONE,
    **{f"TRADE_RETCODE_{name}": code for code, (name, _) in RETCODES.items()},
}

DEAL, PENDING, SLTP, MODIFY, REMOVE, CLOSE_BY = 1, 5, 6, 7, 8, 10
FOK, IOC, RETURN = 0, 1, 2
IN, OUT, INOUT, OUT_BY = 0, 1, 2, 3
BY_HAND, BY_PROGRAM, BY_STOP_LOSS, BY_TAKE_PROFIT = 0, 3, 4, 5
