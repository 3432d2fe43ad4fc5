"""How any process runs: settings, lifecycle, logging, metrics, health, servers, clock. Knows no intent and no bid."""
