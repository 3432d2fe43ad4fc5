"""Which runbook helps with which code: the alert of the same meaning, whose page has its name. Holds no page itself."""

from collections.abc import Mapping

RUNBOOK_OF: Mapping[str, str] = {
    "SN-H050": "ClockSkew",
    "SN-H051": "ClockSkew",
    "SN-K101": "DoubleSign",
    "SN-M312": "RootLayerDown",
    "SN-N401": "ServiceDown",
    "SN-N420": "NoLeader",
    "SN-N421": "NetworkNotReady",
    "SN-N422": "QuorumSpareZero",
    "SN-N423": "NetworkNotReady",
    "SN-N425": "NetworkNotReady",
    "SN-N426": "ServiceDown",
    "SN-R078": "BackupTooOld",
    "SN-S074": "SettlementBacklog",
    "SN-S075": "SettlementPaused",
    "SN-V095": "SignaturesMissing",
    "SN-V099": "NoLeader",
    "SN-V100": "ClockSkew",
    "SN-V105": "SettlementDisputed",
    "SN-V106": "DiskNearlyFull",
    "SN-V107": "ValidatorReadOnly",
}
"""Code -> alert. A difference of configuration (SN-N424) has no alert: the code's own page says everything."""
