"""Validation policies as values: what a report of one intent type must satisfy. Not how a report is judged."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pinai_subnet.protocol.canaries import CANARY_TYPE

EVIDENCE_FIELDS = (
    "env_fingerprint",
    "inputs_hash",
    "outputs_hash",
    "transcript_root",
    "proof_exec",
    "resource_usage",
    "external_refs",
)
"""The parts of a report's evidence that a policy may require."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """What each group of rules contributes to the confidence of a scored verdict."""

    lease: float = 0.3
    evidence: float = 0.4
    output: float = 0.3


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What a report must satisfy. Every field changes a verdict; the comments live in `policy_config.yaml`."""

    policy_id: str = "default"
    version: str = "1.0.0"
    fail_fast: bool = False
    weighted_scoring: bool = False
    min_confidence: float = 0.7
    weights: Weights = field(default_factory=Weights)
    check_lease: bool = True
    check_evidence: bool = True
    check_output: bool = True
    require_report_id: bool = False
    require_signed_request: bool = False
    require_report_signature: bool = False
    blocked_agents: tuple[str, ...] = ()
    max_ahead_seconds: int = 300
    max_age_seconds: int = 2100
    before_assignment_seconds: int = 300
    deadline_grace_seconds: int = 30
    success_requires_result: bool = True
    success_forbids_error: bool = True
    accept_partial: bool = False
    partial_requires_content: bool = True
    max_result_bytes: int = 4_194_304
    large_result_bytes: int = 0
    """A result longer than this needs a transcript root and an external reference; 0 switches the rule off."""
    required_evidence: tuple[str, ...] = ()
    verify_outputs_hash: bool = True
    verify_inputs_hash: bool = True
    max_cpu_ms: int = 1_000_000_000
    max_memory_mb: int = 1_000_000_000
    max_io_ops: int = 1_000_000_000
    max_network_bytes: int = 1 << 50


CANARY_POLICY = Policy(policy_id=CANARY_TYPE, require_signed_request=True)
"""A canary proves that reports are judged at all: evidence that operators ask of real work says nothing about that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyBook:
    """The policy of every intent type: one default, and overrides by exact type name."""

    default: Policy = field(default_factory=Policy)
    overrides: Mapping[str, Policy] = field(default_factory=dict)

    def for_type(self, intent_type: str) -> Policy:
        """Return the policy that judges reports of this intent type."""
        if intent_type == CANARY_TYPE:
            return CANARY_POLICY
        return self.overrides.get(intent_type, self.default)
