"""`subnetctl agents` and `subnetctl validators`: who is in the network, as the registry knows it."""

import time
from typing import Any

from pinai_subnet.cli.screen import Screen
from pinai_subnet.cli.session import HOME, HomeOption, JsonOption, open_session


def _age(row: dict[str, Any]) -> str:
    return f"{max(0, int(time.time()) - int(row['last_seen']))} s ago"


def agents(home: HomeOption = HOME, as_json: JsonOption = False) -> None:
    """List the agents: capabilities, status and last sign of life."""
    rows = open_session(home).registry.get("/agents")["agents"]
    for row in rows if not as_json else ():
        row |= {"capabilities": " ".join(row["capabilities"]), "seen": _age(row)}
    columns = ("id", "status", "seen", "capabilities", "endpoint", "address")
    Screen(as_json=as_json).table(rows, columns, empty="no agent is registered")


def validators(home: HomeOption = HOME, as_json: JsonOption = False) -> None:
    """List the configured validators, what the registry knows of them, and how many signatures make a batch final."""
    session = open_session(home)
    registered = {row["id"]: row for row in session.registry.get("/validators")["validators"]}
    rows = [
        {
            "id": validator.id,
            "address": validator.address,
            "grpc": validator.grpc_endpoint,
            "http": validator.http_endpoint,
            "status": registered.get(validator.id, {}).get("status", "not registered"),
            "seen": _age(registered[validator.id]) if validator.id in registered else "never",
        }
        for validator in session.network.parameters.validators
    ]
    screen = Screen(as_json=as_json)
    screen.table(
        rows,
        ("id", "address", "grpc", "http", "status", "seen"),
        empty="no validator is configured",
    )
    if not as_json:
        screen.say(f"{session.required_signatures} of {len(rows)} signatures make a batch final")
