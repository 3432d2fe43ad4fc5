"""Keys that sign: adapters of `ports.signer`."""
