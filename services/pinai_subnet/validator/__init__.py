"""Was the work done, and do we agree: verification, the replicated ledger, threshold signatures, settlement."""
