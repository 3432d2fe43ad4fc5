"""Whether settlement waits for money, and since when. Intents become final all the same; only RootLayer hears later."""

from pinai_subnet.runtime.health import OK, Finding


class SettlementPause:
    """Set by the settling duty, read by health, metrics and status; ends by itself with RootLayer's next answer."""

    def __init__(self) -> None:
        """Begin without one."""
        self.reason: str | None = None
        """What RootLayer said; None while it is paid."""

    def check(self) -> Finding:
        """Say whether final batches can be settled."""
        if self.reason is None:
            return OK
        return Finding(False, f"settlement waits for funds: {self.reason}", "SN-S075")
