"""Who is registered: adapters of `ports.roster`."""
