"""Who may come in: the password grant, device approval, codes, bearer tokens that run out."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count
from typing import Any
from urllib.parse import parse_qsl

from trader.clock import Clock

from trader_emulators.http import Answer, Asked
from trader_emulators.robinhood.links import NOT_FOUND, uuid_of

USERNAME = "someone@example.com"
PASSWORD = "emulated-password"  # noqa: S105 - the emulator's own
TOKEN = "emulated-token-0"  # noqa: S105 - the emulator's own
CODE = "123456"
LONGEST = timedelta(days=30)
APPROVED = "workflow_status_approved"
PENDING = "workflow_status_internal_pending"
MISSING = Answer(401, {"detail": "Authentication credentials were not provided."})
WRONG = Answer(401, {"detail": "Incorrect authentication credentials."})


@dataclass(slots=True)
class Workflow:
    """One device on its way in."""

    id: str
    device: str
    machine: str
    challenge: str
    begun: datetime
    approved: bool = False


class Doorman:
    """Knows devices and tokens. `mode` as in `Setup.mode`; a prompt is approved `moment` seconds after it was shown,
    or by `approve`."""

    def __init__(self, clock: Clock, mode: str, moment: float = 0.5) -> None:
        self._clock, self.mode, self.moment = clock, mode or "prompt", moment
        self.tokens: dict[str, datetime] = {TOKEN: clock.now() + LONGEST}
        self.devices: set[str] = set()
        self._refresh: dict[str, str] = {}
        self._flows: list[Workflow] = []
        self._numbers = count(1)

    def refused(self, asked: Asked) -> Answer | None:
        """None: its token is good."""
        kind, _, token = asked.headers.get("authorization", "").partition(" ")
        if kind != "Bearer" or not token:
            return MISSING
        until = self.tokens.get(token)
        return None if until is not None and self._clock.now() < until else WRONG

    def revoke(self) -> None:
        """No token is known any more."""
        self.tokens.clear()
        self._refresh.clear()

    def approve(self) -> None:
        """Somebody taps "yes, it is me" in the app."""
        for flow in self._flows:
            flow.approved = True

    # ---- requests ----------------------------------------------------------------------------------------------------
    def token(self, asked: Asked) -> Answer:
        """POST /oauth2/token/"""
        form = dict(parse_qsl(asked.body.decode()))
        if form.get("grant_type") == "refresh_token":
            return self._refreshed(form.get("refresh_token", ""))
        missing = [name for name in ("username", "password", "device_token") if not form.get(name)]
        if form.get("grant_type") != "password" or missing:
            return Answer(400, {"error": "invalid_request", "detail": f"missing: {', '.join(missing) or 'grant_type'}"})
        if (form["username"], form["password"]) != (USERNAME, PASSWORD):
            return Answer(400, {"detail": "Unable to log in with provided credentials."})
        if self.mode == "mfa":
            if not form.get("mfa_code"):
                return Answer(200, {"mfa_required": True, "mfa_type": "app"})
            if form["mfa_code"] != CODE:
                return Answer(400, {"detail": "Please enter a valid code."})
        device = form["device_token"]
        if self.mode in ("mfa", "trusted") or device in self.devices:
            return self._issue(int(form.get("expires_in", "86400")))
        flow = self._begin(device)
        return Answer(403, {"verification_workflow": {"id": flow.id, "workflow_status": PENDING}})

    def machine(self, asked: Asked) -> Answer:
        """POST /pathfinder/user_machine/"""
        body = _json(asked)
        wanted = (body.get("device_id"), (body.get("input") or {}).get("workflow_id"))
        for flow in self._flows:
            if wanted == (flow.device, flow.id):
                return Answer(200, {"id": flow.machine})
        return Answer(400, {"detail": "Invalid workflow."})

    def inquiry(self, asked: Asked) -> Answer:
        """GET and POST /pathfinder/inquiries/{id}/user_view/"""
        flow = self._find("machine", asked.parts["id"])
        if flow is None:
            return NOT_FOUND
        if asked.method == "POST":
            if self._validated(flow):
                self.devices.add(flow.device)
                return Answer(200, {"type_context": {"result": APPROVED}})
            return Answer(200, {"verification_workflow": {"id": flow.id, "workflow_status": PENDING}})
        kind = "sms" if self.mode == "sms" else "prompt"
        status = "validated" if self._validated(flow) else "issued"
        challenge = {"id": flow.challenge, "type": kind, "status": status, "remaining_attempts": 3}
        return Answer(200, {"context": {"sheriff_challenge": challenge}})

    def prompt(self, asked: Asked) -> Answer:
        """GET /push/{id}/get_prompts_status/"""
        flow = self._find("challenge", asked.parts["id"])
        if flow is None:
            return NOT_FOUND
        return Answer(200, {"challenge_status": "validated" if self._validated(flow) else "issued"})

    def respond(self, asked: Asked) -> Answer:
        """POST /challenge/{id}/respond/"""
        flow = self._find("challenge", asked.parts["id"])
        if flow is None:
            return NOT_FOUND
        if dict(parse_qsl(asked.body.decode())).get("response") != CODE:
            return Answer(
                400, {"detail": "The code is wrong.", "challenge": {"id": flow.challenge, "status": "issued"}}
            )
        flow.approved = True
        return Answer(200, {"id": flow.challenge, "status": "validated"})

    # ---- inside ------------------------------------------------------------------------------------------------------
    def _begin(self, device: str) -> Workflow:
        name = str(next(self._numbers))
        ids = (uuid_of(kind, name) for kind in ("workflow", "machine", "challenge"))
        workflow, machine, challenge = ids
        flow = Workflow(workflow, device, machine, challenge, self._clock.now())
        self._flows.append(flow)
        return flow

    def _validated(self, flow: Workflow) -> bool:
        if self.mode == "prompt" and self._clock.now() - flow.begun >= timedelta(seconds=self.moment):
            flow.approved = True
        return flow.approved

    def _find(self, field: str, value: str) -> Workflow | None:
        return next((flow for flow in self._flows if getattr(flow, field) == value), None)

    def _issue(self, seconds: int) -> Answer:
        name = next(self._numbers)
        token, refresh = f"emulated-token-{name}", f"emulated-refresh-{name}"
        self.tokens[token] = self._clock.now() + min(timedelta(seconds=max(seconds, 0)), LONGEST)
        self._refresh[refresh] = token
        return Answer(200, {
            "access_token": token, "token_type": "Bearer", "expires_in": seconds, "refresh_token": refresh,
            "scope": "internal", "mfa_code": None, "backup_code": None,
        })  # fmt: skip

    def _refreshed(self, refresh: str) -> Answer:
        token = self._refresh.pop(refresh, None)
        if token is None:
            return Answer(401, {"error": "invalid_grant"})
        self.tokens.pop(token, None)
        return self._issue(86_400)


def _json(asked: Asked) -> dict[str, Any]:
    try:
        body = json.loads(asked.body)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}
