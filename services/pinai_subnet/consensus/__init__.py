"""Agreement on an ordered log: pysyncobj with our own journal, transport and snapshots around it."""
