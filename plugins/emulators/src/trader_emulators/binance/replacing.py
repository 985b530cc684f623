"""One order goes and another comes, in one request: what became of each is said of each."""

from __future__ import annotations

from typing import Any

from trader_emulators.binance.parameters import Parameters
from trader_emulators.binance.product import Speak
from trader_emulators.binance.refusal import Refused, illegal

NAMES = {"cancelOrderId": "orderId", "cancelOrigClientOrderId": "origClientOrderId"}
MODES = ("STOP_ON_FAILURE", "ALLOW_FAILURE")


def replace(cancel: Speak, submit: Speak, parameters: Parameters) -> dict[str, Any]:
    """Refused with both results if one or both failed: -2021 with status 409 where one leg happened."""
    mode = parameters.text("cancelReplaceMode")
    if mode not in MODES:
        raise illegal("cancelReplaceMode", ", ".join(MODES))
    named = {name: parameters.text(sent) for sent, name in NAMES.items() if sent in parameters}
    named |= {
        "symbol": parameters.text("symbol"),
        "newClientOrderId": parameters.optional("cancelNewClientOrderId"),
        "cancelRestrictions": parameters.optional("cancelRestrictions"),
    }
    gone = _tried(cancel, Parameters(named))
    stop = isinstance(gone, Refused) and mode == "STOP_ON_FAILURE"
    come = None if stop else _tried(submit, parameters)
    failures = sum(isinstance(result, Refused) for result in (gone, come))
    told = {
        "cancelResult": _result(gone), "newOrderResult": _result(come), "cancelResponse": _body(gone),
        "newOrderResponse": _body(come),
    }  # fmt: skip
    if failures == 1 and not stop:
        raise Refused(-2021, "Order cancel-replace partially failed.", 409, told)
    if failures:
        raise Refused(-2022, "Order cancel-replace failed.", 400, told)
    return told


def _tried(speak: Speak, parameters: Parameters) -> Any:
    try:
        return speak(parameters)
    except Refused as refused:
        return refused


def _result(answer: Any) -> str:
    if answer is None:
        return "NOT_ATTEMPTED"
    return "FAILURE" if isinstance(answer, Refused) else "SUCCESS"


def _body(answer: Any) -> Any:
    return answer.body if isinstance(answer, Refused) else answer
