"""The evidence of an execution: hashes that anyone can recompute from the payload and the result. Pure."""

import json
from collections.abc import Mapping

from pinai_subnet.agent.work import Result, Task
from pinai_subnet.protocol.digests import keccak256
from pinai_subnet.protocol.reports import Evidence, ResourceUsage


def environment_fingerprint(environment: Mapping[str, str]) -> bytes:
    """Return the 32-byte digest of what the work ran on (interpreter, platform, version of this software)."""
    return keccak256(_canonical(environment))


def execution_transcript(
    *, task: Task, agent_id: str, result: bytes, started_at: int, finished_at: int
) -> bytes:
    """Return the canonical account of one execution; `proof_exec` is its digest."""
    return _canonical(
        {
            "agent_id": agent_id,
            "assignment_id": task.task_id,
            "finished_at": finished_at,
            "inputs_hash": keccak256(task.data).hex(),
            "intent_id": task.intent_id,
            "intent_type": task.intent_type,
            "outputs_hash": keccak256(result).hex(),
            "started_at": started_at,
        }
    )


def evidence_of(
    *,
    task: Task,
    agent_id: str,
    result: Result,
    usage: ResourceUsage | None,
    fingerprint: bytes,
    started_at: int,
    finished_at: int,
) -> Evidence:
    """Return the evidence that goes with a result."""
    transcript = execution_transcript(
        task=task,
        agent_id=agent_id,
        result=result.data,
        started_at=started_at,
        finished_at=finished_at,
    )
    return Evidence(
        env_fingerprint=fingerprint,
        inputs_hash=keccak256(task.data),
        outputs_hash=keccak256(result.data),
        transcript_root=keccak256(result.transcript) if result.transcript else b"",
        proof_exec=keccak256(transcript),
        resource_usage=usage,
        external_refs=tuple(result.external_refs),
    )


def _canonical(value: Mapping[str, object]) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode("ascii")
