"""How an explanation reads: one line a stage, with its numbers; and the life of an order."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from trader.cli.explain import verdict_of
from trader.cli.orders import kind_of
from trader.cli.output import NONE, WIDTH, clean, facts, fees, number, percent, price, quantity, short, when
from trader.cycle.decision import Verdict

Facts = dict[str, Any]
Lines = Iterator[tuple[str, str]]

_PAST = {"buy": "bought", "sell": "sold"}
_SIGN = {"buy": 1, "sell": -1}


# ---- a symbol in a cycle -------------------------------------------------------------------------------------------
def headline(told: Facts) -> str:
    """What came of it, in one line."""
    place = f"{when(told['at'])} cycle {told['cycle']}, book {told['book']}, {told['symbol']}"
    return textwrap.fill(clean(f"{place}: {outcome(told)}"), WIDTH, subsequent_indent="    ", break_on_hyphens=False)


def outcome(told: Facts) -> str:
    """bought 7 (41 -> 48), weight 29.1 %, target 31.2 %; or what stopped it, in words."""
    parts = [_done(row) for row in told["orders"]] or [told["verdict"]]
    change = sum((_SIGN[row["side"]] * row["filled"] for row in told["orders"]), Decimal(0))
    if change and told["quantity"] is not None:
        parts[-1] += f" ({quantity(told['quantity'])} -> {quantity(told['quantity'] + change)})"
    if told["stopped_by"] is None and told["target"] is not None:
        parts.append(f"weight {percent(told['weight'])}, target {percent(told['target'])}")
    return ", ".join(parts)


def _done(row: Facts) -> str:
    order = f"{row['side']} {quantity(row['quantity'])}"
    if row["state"] == "denied":
        return f"{order} refused by {row['reason'].partition(':')[0]}"
    if not row["filled"]:
        return f"{order}: {row['state']}"
    part = f" of {quantity(row['quantity'])}" if row["filled"] != row["quantity"] else ""
    rest = f", the rest {row['state']}" if part else ""
    return f"{_PAST[row['side']]} {quantity(row['filled'])}{part}{rest}"


def stages(told: Facts) -> str:
    """Every stage that the symbol came to, one line each."""
    return facts(_lines(told))


def _lines(told: Facts) -> Lines:
    verdict = verdict_of(told["verdict"])
    yield from _exits(told)
    if told["stopped_by"] == "coverage":
        yield "coverage", f"{told['verdict']}; {_held(told)}"
    else:
        yield "coverage", f"listed, fresh and tradable, mark {price(told['mark'])}; {_held(told)}"
        yield from _pipeline(told)
        yield from _allocation(told)
        yield from _balancer(told, verdict)
        yield from _planner(told, verdict)
    yield from _rules(told)
    for row in told["orders"]:
        if row["state"] != "denied":
            yield "order", _order(row)
    for fault in told["faults"]:
        yield "fault", f"{fault['plugin']}.{fault['method']} failed: {fault['error']}; {fault['outcome']}"
    for note in told["notes"]:
        yield "note", note


def _held(told: Facts) -> str:
    if not told["quantity"]:
        return "none held"
    return f"held {quantity(told['quantity'])}, {percent(told['weight'])} of equity"


def _exits(told: Facts) -> Lines:
    for each in told["exits"]:
        part = "all of it" if each["fraction"] == 1 else percent(each["fraction"])
        what = f"leave {part} now" if each["stop"] is None else f"keep a stop for {part} at {number(each['stop'])}"
        yield "exits", f"{each['reason']} ({each['by']}): {what}"


def _pipeline(told: Facts) -> Lines:
    for stage in told["stages"]:
        yield stage["name"], _stage(stage, told["score"])
    asked = [stage for stage in told["stages"] if stage["outcome"] == "kept" and not stage["weights"]]
    if len(asked) > 1 and told["score"] is not None:
        force = {stage["name"]: abs(stage["score"]) * stage["confidence"] for stage in asked}
        total = sum(force.values())
        parts = [f"{name} {percent(part / total)}" for name, part in force.items() if total]
        yield "combined", f"score {_score(told['score'])}" + (f" ({', '.join(parts)})" if parts else "")


def _stage(stage: Facts, combined: float | None) -> str:
    """One strategy's answer and what was done with it. A dropped symbol is flat, or held: the combined score tells."""
    why = ", ".join(f"{name} {number(value)}" for name, value in stage["why"].items())
    why = f" ({why})" if why else ""
    then = "what is held is kept" if combined is None else "be flat"
    if stage["outcome"] == "no_opinion":
        return f"no opinion{why}: what is held is kept"
    if stage["weights"]:
        text = f"target weight {percent(stage['score'])}{why}"
        return f"{text}: short is not allowed, {then}" if stage["outcome"] == "short_not_allowed" else text
    text = f"score {_score(stage['score'])}{why}, confidence {stage['confidence']:.2f}"
    threshold = f"threshold {stage['threshold']:g}"
    if stage["outcome"] == "below_threshold":
        return f"{text}, dropped: below the {threshold}, {then}"
    if stage["outcome"] == "short_not_allowed":
        return f"{text}, dropped: short is not allowed, {then}"
    return f"{text}, kept ({threshold})"


def _score(value: float) -> str:
    return f"{value:.2f}" if abs(value) >= 0.005 or value == 0 else f"{value:.2g}"


def _allocation(told: Facts) -> Lines:
    if told["allocated"] is None:
        if told["score"] is not None:
            yield "allocator", f"{told['allocator'] or NONE}: no target, what is held is kept"
        return
    name = told["allocator"] or "not asked, the last stage gave weights"
    if told["allocated"] == 0:
        yield "allocator", f"{name}: flat"
        return
    yield "allocator", f"{name}: target {percent(told['allocated'])}"
    for each in told["portfolio_rules"]:
        yield "portfolio rules", f"{each['rule']} shrank it {percent(each['from'])} -> {percent(each['to'])}"
    if not told["portfolio_rules"]:
        yield "portfolio rules", "none shrank it"


def _balancer(told: Facts, verdict: Verdict | None) -> Lines:
    if told["drift"] is None or verdict is Verdict.EXITED:
        return
    drift = f"{told['balancer']}: drift {percent(told['drift'], sign=True)} of equity"
    if verdict is Verdict.IN_BAND:
        waits = " (what is on its way counts as held)" if not told["weight"] and told["target"] else ""
        why = "the signal is the same" if told["balancer"] == "on_signal" else "inside the band"
        yield "balancer", f"{drift}, {why}{waits}: no trade"
    elif verdict is Verdict.NO_CHANGE:
        yield "balancer", f"{drift}: at its target, no trade"
    elif verdict is Verdict.NOT_PLANNED:
        yield "balancer", drift
    elif verdict in (Verdict.HELD, Verdict.FAULT):
        yield "balancer", f"{drift}; {told['verdict']}"
    else:
        kind = "open" if not told["weight"] else "close" if not told["target"] else "trade"
        yield "balancer", f"{drift}: {kind}"


def _planner(told: Facts, verdict: Verdict | None) -> Lines:
    if told["cancels"]:
        yield "planner", f"cancels {', '.join(short(each) for each in told['cancels'])}, which no longer fits"
    if told["trimmed"]:
        wished, planned = told["trimmed"]["wished"], told["trimmed"]["planned"]
        yield "planner", f"cash reaches for {quantity(planned)} of {quantity(wished)} at {price(told['mark'])}"
    if told["stopped_by"] == "planner" and not (verdict is Verdict.NO_CASH and told["trimmed"]):
        yield "planner", f"nothing: {told['verdict']}"
    for row in told["orders"]:
        purpose = "" if row["purpose"] == "rebalance" else f", {row['purpose']}"
        order = f"{row['side']} {quantity(row['quantity'])}, {kind_of(row)}"
        yield "planner", f"{order}, mark {price(row['price'])}{purpose}"


def _rules(told: Facts) -> Lines:
    if not told["orders"]:
        return
    for each in told["refusals"]:
        text = f"{each['rule']} refused {each['side']} {quantity(each['quantity'])}, {each['reason']}"
        if each["limit"] or each["value"]:
            text += f": {number(each['value'])}, limit {number(each['limit'])}"
        yield "order rules", text
    if len(told["refusals"]) < len(told["orders"]):
        yield "order rules", "none refused it" if not told["refusals"] else "none refused the rest"


def _order(row: Facts) -> str:
    text = f"{short(row['client_id'])} {row['state']}"
    if row["fills"]:
        units = sum((each["quantity"] for each in row["fills"]), Decimal(0))
        mean = sum((each["quantity"] * each["price"] for each in row["fills"]), Decimal(0)) / units
        paid = fees((each["fee"], each["fee_currency"]) for each in row["fills"])
        text += f" {quantity(units)} at {price(mean)} ({when(row['fills'][-1]['time'])}), fee {paid}, "
        text += slippage(row, mean, share=False)
    return text + (f": {row['reason']}" if row["reason"] else "")


def slippage(row: Facts, paid: Decimal, *, share: bool = True) -> str:
    """Worse (+) or better (-) than the mark it was planned at, by unit and as a share of the mark."""
    lost = _SIGN[row["side"]] * (paid - row["price"])
    part = f" ({100 * float(lost / row['price']):+.2f} %)" if share and row["price"] else ""
    return f"slippage {'-' if lost < 0 else '+' if lost else ''}{price(abs(lost))}{part}"


# ---- an order ------------------------------------------------------------------------------------------------------
_CAUSES = {
    "risk": "a rule refused it",
    "commit": "written down, about to be sent",
    "gate": "the gate did not let it pass",
    "cancel": "we asked for its cancel",
    "replace": "we asked for its change",
    "horizon": "the venue has not shown it for so long that it never arrived",
    "ack": "the venue took it",
    "reject": "the venue refused",
    "silence": "no answer: it may or may not have arrived",
    "report": "the venue says so",
    "fill": "by its fills",
}


def order_head(row: Facts) -> str:
    """Which order it is, and where it stands."""
    text = f"order {row['client_id']}, book {row['book']}: {row['side']} {quantity(row['quantity'])} {row['symbol']}"
    return clean(f"{text}, {kind_of(row)}: {row['state']}")


def life(row: Facts) -> str:
    """What happened to an order (as `reading.order` gives it), in the order of booking."""
    return facts(_life(row))


def _life(row: Facts) -> Lines:
    why = f"in cycle {row['cycle_number']} to {row['purpose']}" if row["cycle_number"] else "by a person"
    about = f"{why}, mark {price(row['price'])}, {row['time_in_force']}"
    yield f"{row['decided_at']:%Y-%m-%d %H:%M:%S}  decided", about + (", reduce only" if row["reduce_only"] else "")
    if row["denied"] is not None:
        yield f"{row['decided_at']:%Y-%m-%d %H:%M:%S}  denied", row["denied"]
    fills = iter(row["fills"])
    for event in row["events"]:
        moment = f"{event['at'] or event['recorded_at']:%Y-%m-%d %H:%M:%S}"
        if event["kind"] == "fill":
            yield f"{moment}  fill", _fill(row, next(fills, None))
        elif event["kind"] == "moved":
            yield f"{moment}  {event['state']}", _move(event)
    if row["venue_ids"]:
        yield "venue ids before", ", ".join(row["venue_ids"])


def _fill(row: Facts, fill: Facts | None) -> str:
    if fill is None:
        return NONE
    text = f"{quantity(fill['quantity'])} at {price(fill['price'])}, fee {fees([(fill['fee'], fill['fee_currency'])])}"
    return f"{text}, {slippage(row, fill['price'])}, execution {fill['execution_id']}"


def _move(event: Facts) -> str:
    text = _CAUSES.get(event["cause"], str(event["cause"]))
    if event["cause"] == "ack" and event["venue_id"]:
        text += f" as {event['venue_id']}"
    if event["filled"]:
        text += f", {quantity(event['filled'])} filled"
    return text + (f": {event['reason']}" if event["reason"] else "")
