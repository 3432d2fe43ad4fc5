"""Reads the hostile JSON payload of a task. Not what the payload means."""

from pinai_subnet.agent.work import TaskFailed
from pinai_subnet.runtime.json_text import parse_json


def read_json(payload: bytes, *, code: str) -> dict[str, object]:
    """Return the JSON object; raise `TaskFailed` with `code` for anything else."""
    try:
        document = parse_json(payload)
    except ValueError as exc:
        raise TaskFailed(code, f"the payload cannot be read as JSON: {exc}") from exc
    if not isinstance(document, dict):
        raise TaskFailed(code, "the payload is not a JSON object")
    return document
