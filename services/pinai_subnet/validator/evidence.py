"""What a validator signs about a report, and in which form. Pure; the report's own hashes are in `protocol.reports`."""

from pinai_subnet.protocol.commitments import commitment, number, texts
from pinai_subnet.protocol.ids import SubnetId, ValidatorId, address_bytes, bytes32
from pinai_subnet.validator.commands import Verdict

_VERDICT_TAG = b"pinai/verdict/1"


def verdict_digest(verdict: Verdict, *, subnet_id: SubnetId, validator_id: ValidatorId) -> bytes:
    """Return the digest of every field but the signature, bound to the subnet and the validator that judged.

    The validator signs it plainly, v 27 or 28. Raises `InvalidInput` for a malformed id or address.
    """
    return commitment(
        _VERDICT_TAG,
        bytes32(subnet_id, "subnet_id"),
        *texts(validator_id),
        bytes32(verdict.key.assignment_id, "assignment_id"),
        address_bytes(verdict.key.agent_address, "agent_address"),
        verdict.report_digest,
        b"\x01" if verdict.passed else b"\x00",
        *texts(verdict.code, verdict.reason, verdict.policy_id),
        number(len(verdict.rules), "rules"),
        *texts(*verdict.rules),
    )
