"""Whether packets can be lost here is found out before a run, and said with its reason."""

import os
import shutil
import subprocess

import pytest
from tests.chaos import private_network
from tests.chaos.packets import address_plan
from tests.network_kit import ports_on


def test_only_root_may_try(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert private_network.why_not() == "only root may make network namespaces"


def test_missing_tools_are_named_with_their_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(shutil, "which", lambda tool: None if tool == "ip" else f"/bin/{tool}")
    assert private_network.why_not() == "missing: ip (apt-get install iproute2 iptables)"


def test_what_the_kernel_says_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(shutil, "which", lambda tool: f"/bin/{tool}")
    refused = subprocess.CompletedProcess([], 1, stdout="", stderr="Operation not permitted\n")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: refused)
    reason = private_network.why_not()
    assert reason is not None
    assert reason.endswith("Operation not permitted")


def test_an_inherited_mark_is_not_taken_for_a_private_network(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The mark names the namespace outside; who is still there, is not inside."""
    here = private_network._namespace()
    monkeypatch.setenv(private_network._OUTSIDE, here)
    assert not private_network.inside()
    monkeypatch.setenv(private_network._OUTSIDE, here + "0")
    assert private_network.inside()


def test_every_member_listens_at_the_address_of_its_host() -> None:
    names = ["rootlayer", "registry", "validator-1", "matcher"]
    addresses = address_plan(names)
    plan = ports_on(addresses, validators=1)
    assert plan.endpoints["VALIDATOR_1_RAFT"].startswith(addresses["validator-1"] + ":")
    assert {one.rpartition(":")[0] for one in plan.endpoints.values()} == set(addresses.values())
