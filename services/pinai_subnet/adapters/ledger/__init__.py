"""The validators' ledger as seen from outside: adapters of `ports.ledger`."""
