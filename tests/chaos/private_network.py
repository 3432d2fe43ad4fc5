"""A network namespace for a whole run: whatever it adds or breaks there ends with it and touches nothing else.

Needs root, util-linux, and the tools named in `packets`. Without them a run goes on in the network of its machine, and
the scenarios that need packets to be lost say why they are skipped.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.chaos.packets import TOOLS_PACKAGES

_TOOLS = ("unshare", "nsenter", "setpriv", "ip", "iptables-restore")
_OUTSIDE = "CHAOS_OUTSIDE_NETWORK"
"""Holds the namespace that the run came from; a value that is still true was inherited, not set on the way in."""
_TRIAL = """
ip link add trial type bridge
ip link add one type veth peer name two
printf '%s\\n' '*filter' \\
  '-A INPUT -s 10.77.0.2 -p tcp -j REJECT --reject-with tcp-reset' \\
  '-A INPUT -s 10.77.0.3 -m statistic --mode random --probability 0.5 -j DROP' COMMIT | iptables-restore
"""


def _namespace() -> str:
    return str(Path("/proc/self/ns/net").readlink())


def inside() -> bool:
    """Whether this process runs in a private network."""
    return os.environ.get(_OUTSIDE, _namespace()) != _namespace()


def why_not() -> str | None:
    """Return why this machine gives no private network with a packet filter, None where it does; changes nothing."""
    if os.geteuid() != 0:
        return "only root may make network namespaces"
    missing = [tool for tool in _TOOLS if shutil.which(tool) is None]
    if missing:
        return f"missing: {', '.join(missing)} (apt-get install {TOOLS_PACKAGES})"
    words = ["unshare", "--net", "sh", "-ec", _TRIAL]
    trial = subprocess.run(words, check=False, capture_output=True, text=True)
    if trial.returncode == 0:
        return None
    return f"this machine allows no network namespaces: {trial.stderr.strip()[:200]}"


def why_not_inside() -> str | None:
    """Return why this process cannot lose packets, None where it can."""
    return None if inside() else why_not() or "not started by `python -m tests.chaos`"


def enter(module: str, arguments: Sequence[str]) -> None:
    """Run a module again, as this very process, in a private network; does not return."""
    environment = {
        name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")
    }
    environment[_OUTSIDE] = _namespace()
    words = ["unshare", "--net", "--", sys.executable, "-m", module, *arguments]
    os.execvpe(words[0], words, environment)  # noqa: S606 - fixed words


def light_up() -> None:
    """Let the processes of a private network reach each other over loopback."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
