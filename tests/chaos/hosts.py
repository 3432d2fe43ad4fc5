"""Hosts of a test network: each a network namespace, cabled to one bridge, so that packets can really be lost.

The bridge stands in the namespace of this process, which must be a private one. A namespace lives as long as a process
in it; every process here dies with the one that started it. So nothing is left behind, however the run ends.
"""

import subprocess
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.chaos.packets import ALL, Losses, Way, address_plan, desk_address

_BRIDGE = "hosts"
_PREFIX = 24
_START_SECONDS = 10.0
_DIES_WITH_US = ("setpriv", "--pdeathsig", "KILL")


class Hosts:
    """Named hosts; none at all, without any names, needs no rights."""

    def __init__(self, names: Sequence[str]) -> None:
        """Plan these hosts; `with` makes them."""
        self.addresses = address_plan(names)
        self._losses = Losses(addresses=self.addresses)
        self._keepers: dict[str, subprocess.Popen[bytes]] = {}
        self._unplugged: set[str] = set()

    def __enter__(self) -> Self:
        """Make the bridge and the hosts."""
        try:
            if self.addresses:
                self._build()
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Remove everything; what still runs on a host is then on its own."""
        self._remove()

    def _build(self) -> None:
        _ip(
            f"link add {_BRIDGE} type bridge",
            f"addr add {desk_address()}/{_PREFIX} dev {_BRIDGE}",
            f"link set {_BRIDGE} up",
        )
        for name, address in self.addresses.items():
            words = [*_DIES_WITH_US, "unshare", "--net", "sleep", "infinity"]
            self._keepers[name] = keeper = subprocess.Popen(words, start_new_session=True)
            _wait_moved(keeper)
            _ip(
                f"link add {_port(name)} type veth peer name eth0 netns {keeper.pid}",
                f"link set {_port(name)} master {_BRIDGE} up",
            )
            lines = ("link set lo up", f"addr add {address}/{_PREFIX} dev eth0", "link set eth0 up")
            _ip(*lines, within=self.inside(name))

    def _remove(self) -> None:
        for keeper in self._keepers.values():
            keeper.kill()
            keeper.wait()
        for name in [*map(_port, self._keepers), _BRIDGE] if self.addresses else ():
            # Not there, where the making failed or the last process of a host has ended.
            subprocess.run(["ip", "link", "del", name], check=False, capture_output=True)
        self._keepers.clear()

    def inside(self, name: str) -> list[str]:
        """Return the words before a command that is to run on a host."""
        return [*_DIES_WITH_US, "nsenter", f"--net=/proc/{self._keepers[name].pid}/ns/net", "--"]

    # -- faults ------------------------------------------------------------------------------------

    def cut(self, ways: Iterable[Way], *, refuse: bool = False) -> None:
        """Let nothing through on these ways: nobody is told, or connections are reset."""
        ways = set(ways)
        if refuse:
            self._losses.refused |= ways
        else:
            self._losses.lost |= dict.fromkeys(ways, ALL)
        self._apply({receiver for _, receiver in ways})

    def lose(self, ways: Iterable[Way], share: float) -> None:
        """Lose this share of the packets on these ways."""
        ways = set(ways)
        self._losses.lost |= dict.fromkeys(ways, share)
        self._apply({receiver for _, receiver in ways})

    def unplug(self, name: str) -> None:
        """Pull a host's cable: nobody reaches it, the test neither."""
        _ip(f"link set {_port(name)} down")
        self._unplugged.add(name)

    def heal(self) -> None:
        """Let everything through again."""
        for name in self._unplugged:
            _ip(f"link set {_port(name)} up")
        self._unplugged.clear()
        receivers = {receiver for _, receiver in {*self._losses.lost, *self._losses.refused}}
        self._losses = Losses(addresses=self.addresses)
        self._apply(receivers)

    def _apply(self, receivers: Iterable[str]) -> None:
        for name in sorted(receivers):
            _run([*self.inside(name), "iptables-restore"], self._losses.rules(name))


def _port(name: str) -> str:
    """Return the bridge's end of a host's cable; the kernel allows 15 characters."""
    return f"to-{name}"


def _wait_moved(keeper: "subprocess.Popen[bytes]") -> None:
    """Wait until a keeper is in its own namespace: until it is what it becomes there."""
    comm = Path(f"/proc/{keeper.pid}/comm")
    deadline = time.monotonic() + _START_SECONDS
    while True:
        if comm.read_text(encoding="ascii").strip() == "sleep":
            return
        if keeper.poll() is not None or time.monotonic() > deadline:
            raise AssertionError("no network namespace for a host")
        time.sleep(0.005)


def _ip(*lines: str, within: Sequence[str] = ()) -> None:
    _run([*within, "ip", "-batch", "-"], "\n".join([*lines, ""]))


def _run(words: Sequence[str], text: str) -> None:
    done = subprocess.run(words, input=text.encode(), check=False, capture_output=True)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(words)}: {done.stderr.decode().strip()}\n{text}")
