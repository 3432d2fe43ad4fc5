"""Which ways close when a group falls apart, and the packet filter that closes them."""

from itertools import permutations

import pytest
from tests.chaos.packets import Losses, Split, address_plan, both, closed_ways, desk_address

VALIDATORS = ["v1", "v2", "v3"]
HOSTS = [*VALIDATORS, "rootlayer", "matcher"]


@pytest.mark.parametrize(
    ("split", "expected"),
    [
        (Split.ALONE, {("v1", "v2"), ("v2", "v1"), ("v1", "v3"), ("v3", "v1")}),
        (Split.DEAF, {("v2", "v1"), ("v3", "v1")}),
        (Split.MUTE, {("v1", "v2"), ("v1", "v3")}),
        (Split.BRIDGE, {("v2", "v3"), ("v3", "v2")}),
        (Split.ALL, set(permutations(VALIDATORS, 2))),
    ],
)
def test_a_split_closes_exactly_its_ways(split: Split, expected: set[tuple[str, str]]) -> None:
    assert closed_ways(split, "v1", VALIDATORS, HOSTS) == expected


def test_who_sees_no_other_host_is_cut_off_from_the_services_too() -> None:
    ways = closed_ways(Split.EVERYTHING, "v1", VALIDATORS, HOSTS)
    others = [name for name in HOSTS if name != "v1"]
    assert ways == {(one, "v1") for one in others} | {("v1", one) for one in others}


def test_every_host_has_an_address_of_its_own_and_the_desk_another() -> None:
    addresses = [*address_plan(HOSTS).values(), desk_address()]
    assert len(set(addresses)) == len(addresses)


def test_two_sides_are_joined_by_the_ways_between_them_only() -> None:
    assert both(["a", "b"], ["b", "c"]) == {
        *(("a", "b"), ("b", "a"), ("a", "c"), ("c", "a"), ("b", "c"), ("c", "b"))
    }


def losses() -> Losses:
    return Losses(addresses={"v1": "10.0.0.1", "v2": "10.0.0.2", "v3": "10.0.0.3"})


def rules(made: Losses, receiver: str) -> list[str]:
    return [line for line in made.rules(receiver).splitlines() if line.startswith("-A")]


def test_a_filter_without_losses_lets_everything_in_and_forgets_former_rules() -> None:
    assert losses().rules("v1").splitlines() == [
        "*filter",
        ":INPUT ACCEPT [0:0]",
        ":FORWARD ACCEPT [0:0]",
        ":OUTPUT ACCEPT [0:0]",
        "COMMIT",
    ]


def test_a_lost_way_is_closed_where_it_arrives_and_in_that_direction_only() -> None:
    made = losses()
    made.lost["v2", "v1"] = 1.0
    assert rules(made, "v1") == ["-A INPUT -s 10.0.0.2 -j DROP"]
    assert rules(made, "v2") == rules(made, "v3") == []


def test_a_share_of_the_packets_is_lost_at_random() -> None:
    made = losses()
    made.lost["v3", "v1"] = 0.25
    (rule,) = rules(made, "v1")
    assert rule == "-A INPUT -s 10.0.0.3 -m statistic --mode random --probability 0.250 -j DROP"


def test_a_refused_way_resets_connections_hears_resets_and_lets_nothing_else_in() -> None:
    made = losses()
    made.lost["v2", "v1"] = 1.0
    made.refused.add(("v2", "v1"))
    accept, reject, drop = rules(made, "v1")
    assert accept.endswith("-p tcp --tcp-flags RST RST -j ACCEPT")
    assert reject.endswith("-p tcp -j REJECT --reject-with tcp-reset")
    assert drop == "-A INPUT -s 10.0.0.2 -j DROP"
