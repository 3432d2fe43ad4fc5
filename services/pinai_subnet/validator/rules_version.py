"""Which version of the ledger's rules this build has: validators whose rules differ would come to different states.

Raise `RULES` with every change after which an entry of the log, or a snapshot, means something else. `OLDEST_RULES` is
the oldest version that still comes to the same state for everything that both can write.
"""

RULES = 1
OLDEST_RULES = 1
