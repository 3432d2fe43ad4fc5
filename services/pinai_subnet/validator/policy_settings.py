"""The `validator:` section of `policy_config.yaml` as settings, and how it becomes the `PolicyBook`. Judges nothing."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, NonNegativeFloat, NonNegativeInt

from pinai_subnet.runtime.settings import Settings, SettingsLoader
from pinai_subnet.validator.policy import EVIDENCE_FIELDS, Policy, PolicyBook, Weights

FILE_NAME = "policy_config.yaml"
SHADOW_NAME = "policy_shadow.yaml"
"""A second file of the same form beside it: judges every report too, and its verdicts count nowhere."""


def _known_evidence(names: tuple[str, ...]) -> tuple[str, ...]:
    unknown = [name for name in names if name not in EVIDENCE_FIELDS]
    if unknown:
        raise ValueError(f"{', '.join(unknown)}: expected some of {', '.join(EVIDENCE_FIELDS)}")
    return names


class WeightsSection(Settings):
    """What each group of rules contributes to the confidence."""

    lease: NonNegativeFloat = 0.3
    evidence: NonNegativeFloat = 0.4
    output: NonNegativeFloat = 0.3


class PolicySection(Settings):
    """One policy; in `intent_types` only the keys that differ from the default are written."""

    policy_id: str = Field(default="default", min_length=1, max_length=128)
    version: str = "1.0.0"
    fail_fast: bool = False
    weighted_scoring: bool = False
    min_confidence: Annotated[float, Field(ge=0, le=1)] = 0.7
    weights: WeightsSection = WeightsSection()
    check_lease: bool = True
    check_evidence: bool = True
    check_output: bool = True
    require_report_id: bool = False
    require_signed_request: bool = False
    require_report_signature: bool = False
    blocked_agents: tuple[str, ...] = ()
    max_ahead_seconds: NonNegativeInt = 300
    max_age_seconds: NonNegativeInt = 2100
    before_assignment_seconds: NonNegativeInt = 300
    deadline_grace_seconds: NonNegativeInt = 30
    success_requires_result: bool = True
    success_forbids_error: bool = True
    accept_partial: bool = False
    partial_requires_content: bool = True
    max_result_bytes: NonNegativeInt = 4_194_304
    large_result_bytes: NonNegativeInt = 0
    required_evidence: Annotated[tuple[str, ...], AfterValidator(_known_evidence)] = ()
    verify_outputs_hash: bool = True
    verify_inputs_hash: bool = True
    max_cpu_ms: NonNegativeInt = 1_000_000_000
    max_memory_mb: NonNegativeInt = 1_000_000_000
    max_io_ops: NonNegativeInt = 1_000_000_000
    max_network_bytes: NonNegativeInt = 1 << 50

    def values(self) -> dict[str, Any]:
        """Return what this section writes down, as fields of a `Policy`; what it leaves out is not in it."""
        written: dict[str, Any] = {name: getattr(self, name) for name in self.model_fields_set}
        if "weights" in written:
            section = self.weights
            written["weights"] = Weights(
                lease=section.lease, evidence=section.evidence, output=section.output
            )
        return written


class ValidatorPolicies(Settings):
    """The whole section."""

    unknown_assignment: Literal["reject", "hold"] = "reject"
    default: PolicySection = PolicySection()
    intent_types: dict[str, PolicySection] = Field(default_factory=dict)

    def book(self) -> PolicyBook:
        """Return the policies: each intent type's written keys over the default's."""
        default = self.default.values()
        overrides: dict[str, Policy] = {}
        for intent_type, section in self.intent_types.items():
            written = section.values()
            written.setdefault("policy_id", intent_type)
            overrides[intent_type] = Policy(**{**default, **written})
        return PolicyBook(default=Policy(**default), overrides=overrides)


class PolicyFile(Settings):
    """`policy_config.yaml`; the matcher's section is the matcher's to read."""

    validator: ValidatorPolicies = ValidatorPolicies()
    matcher: dict[str, Any] = Field(default_factory=dict)


def load_policies(loader: SettingsLoader, config_dir: Path) -> ValidatorPolicies | None:
    """Read and check the section; every problem goes to the loader, and None means there was at least one."""
    file = read_policy_file(loader, config_dir / FILE_NAME, optional=True)
    return None if file is None else file.validator


def read_policy_file(
    loader: SettingsLoader, path: Path, *, optional: bool = False
) -> PolicyFile | None:
    """Read a whole file and check the validators' section, as `load_policies` does."""
    loaded = loader.load(PolicyFile, path, optional=optional)
    if not loaded.ok:
        return None
    policies = loaded.value.validator
    for intent_type, policy in [
        ("default", policies.book().default),
        *policies.book().overrides.items(),
    ]:
        weights = policy.weights
        if policy.weighted_scoring and weights.lease + weights.evidence + weights.output <= 0:
            loader.report(
                "SN-V097",
                f"policy {intent_type}: weighted_scoring is on but all weights are zero",
                where=loaded.where("validator"),
                fix="give at least one of lease, evidence and output a weight",
            )
    return loaded.value
