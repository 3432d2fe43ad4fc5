"""Who is in the network: agents and validators, their capabilities and whether they are alive."""
