"""What a member says of itself is true: counters move with the work, and nobody is ready who has reached nobody."""

import re
from collections.abc import Callable

import httpx
from tests.network_kit import LocalTestNetwork, wait_until


def counted(network: LocalTestNetwork, member: str, name: str) -> float:
    """The sum over all labels of one metric of one member."""
    text = network.request("GET", member, "/metrics").text
    values = re.findall(rf"^{name}(?:{{[^}}]*}})? ([0-9.e+]+)$", text, re.MULTILINE)
    return sum(float(value) for value in values)


def test_metrics_follow_the_work(shared_network: LocalTestNetwork) -> None:
    """D11: every finalised intent is seen in the counters of the members that worked on it."""
    network = shared_network
    watched = [
        ("validator-1", "subnet_validator_verdicts_total"),
        ("validator-2", "subnet_validator_signatures_total"),
    ]
    before = [counted(network, *one) for one in watched]
    network.wait_all(network.submit_many(3))
    after = [counted(network, *one) for one in watched]
    assert after[0] >= before[0] + 3
    assert after[1] > before[1]


def test_a_member_that_has_reached_nobody_is_not_ready(
    make_network: Callable[..., LocalTestNetwork],
) -> None:
    """V8: a connection that was only prepared does not count; the reason names what is missing."""
    network = make_network(validators=3, agents=1)
    network.start("matcher", wait=False)

    def answered() -> httpx.Response | None:
        try:
            return network.request("GET", "matcher", "/readyz")
        except httpx.HTTPError:
            return None

    answer = wait_until(answered, "the matcher answers")
    assert answer.status_code == 503
    assert answer.text.strip()
