"""MetaTrader 5 on this machine: a terminal without Windows, spoken to through rpyc's classic protocol.

A server at 127.0.0.1 takes `rpyc.classic.connect`; over there `import MetaTrader5` gives a module with the functions,
constants and named tuples of the real package (5.0.6231), and behind it a demo account of the server
"trader-emulator". `Setup.mode` is "netting" (the default, as the core counts) or "hedging" (as retail accounts often
are). `offset` of the emulator is how far the trade server's clock is from UTC: all times in answers, and all times
that one asks for, are on that clock, as at real servers.

Quantities of the venue inside are volumes in lots; `Instrument.multiplier` is the contract size. Symbols are
"EUR/USD" for EURUSD, by the currencies that the terminal names, and as they are for anything else (US500). USDJPY has
quotes, but trading it is disabled: its profits would have to be converted, and the venue inside has one currency. An
order's key inside is the text of its magic number, or a new one if that is 0: the server never refuses a repetition.

What a mishap is here; "handled" means that the order was executed:

=============  ==============================================  ====================================
mishap         order_send                                      anything else
=============  ==============================================  ====================================
LOST           None, last_error -10005; not handled            None, -10005
LOST_REPLY     None, -10005; handled                           None, -10005
LATE           None, -10005; handled two seconds later         None, -10005
RESET          the rpyc connection breaks; not handled         the connection breaks
RESET_AFTER    it breaks; handled                              the connection breaks
FAILED         retcode 10011 (general error); not handled      None, -1
FAILED_AFTER   retcode 10012 (timeout); handled                None, -1
HTML           retcode 10008 (placed), order 0; not handled    None, -10004 (no IPC connection)
TRUNCATED      retcode 10008 (placed), order 0; handled        None, -10002 (receive failed)
GARBAGE        a result of zeros, retcode 0; handled           None, -10004
RATE_LIMITED   retcode 10024; not handled                      None, -1 "Too many requests"
UNAUTHORIZED   None, -6; not handled                           None, -6
=============  ==============================================  ====================================

`login` and `initialize` answer False instead of None. A query that fails never answers with an empty tuple.

The classic protocol evaluates whatever its client sends, without asking who it is: whoever can reach the port is this
process, and a client of `rpyc.classic` answers its server in the same way. The port is bound to 127.0.0.1 and to
nothing else; do not forward it. `import MetaTrader5` means the emulator's module in what a connection executes and in
`conn.modules`; sys.modules is left alone, so that several emulators in one process do not meet.

Market orders fill at the last price before they are answered, and everything is valued at the last price: the spread
is for show. Of the time frames there are M1, M5, M15, M30, H1, H4 and D1; of ticks, those since the emulator began.
"""

from __future__ import annotations

from trader.testing.emulation import Setup

from trader_emulators.mt5.venue import Mt5Emulator

__all__ = ["Mt5Emulator", "emulate"]


def emulate(setup: Setup) -> Mt5Emulator:
    """A running server. UsageError for a mode or a symbol that it does not have; OSError if the port is taken."""
    emulator = Mt5Emulator(setup)
    emulator.start()
    return emulator
