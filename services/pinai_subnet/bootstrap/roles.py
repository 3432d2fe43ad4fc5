"""The roles of the one executable. Imports nothing: a registry does not pay for a validator's libraries."""

from collections.abc import Mapping

ROLES: Mapping[str, str] = {
    "registry": "pinai_subnet.bootstrap.registry",
    "matcher": "pinai_subnet.bootstrap.matcher",
    "validator": "pinai_subnet.bootstrap.validator",
    "simple-agent": "pinai_subnet.bootstrap.agent",
    "rootlayer": "pinai_subnet.bootstrap.rootlayer",
    "console": "pinai_subnet.bootstrap.console",
}
"""Role to the module that runs it."""
