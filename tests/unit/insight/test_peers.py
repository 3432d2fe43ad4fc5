"""What several validators find is put together into whose firewall it is. Row 8."""

from pinai_subnet.insight.peers import PeerFinding, PeerView, judge_peers, view_of

HOSTS = {
    "validator-1": "10.0.0.11:7400",
    "validator-2": "10.0.0.12:7400",
    "validator-3": "10.0.0.13:7400",
}


def views(
    down: tuple[str, ...] = (), parted: bool = False, **failing: dict[str, str]
) -> list[PeerView]:
    """All sees all, except what is said: v1={"v2": "refused"}."""
    found = []
    for name in HOSTS:
        if name in down:
            continue
        own = failing.get(name.replace("alidator-", ""), {})
        dials = {
            other: own.get(other.replace("alidator-", ""), "ok") for other in HOSTS if other != name
        }
        connected = {other: not parted or one == "ok" for other, one in dials.items()}
        found.append(PeerView(id=name, dials=dials, connected=connected))
    return found


def one(found: tuple[PeerFinding, ...]) -> PeerFinding:
    assert len(found) == 1, found
    return found[0]


def test_where_everybody_reaches_everybody_nothing_is_said() -> None:
    assert judge_peers(HOSTS, views()) == ()


def test_one_way_only_is_an_inbound_firewall_on_the_other_side() -> None:
    """Row 8."""
    found = one(judge_peers(HOSTS, views(v3={"v1": "refused"})))
    assert found.ids == ("validator-1", "validator-3")
    assert found.text == (
        "validator-3 -> validator-1 refused (10.0.0.11:7400), validator-1 -> validator-3 ok: "
        "inbound firewall on the host of validator-1, which lets others in"
    )
    assert found.fix == "open port 7400 on the host of validator-1 for the host of validator-3"


def test_a_listener_that_nobody_reaches_though_its_owner_runs_is_closed_there() -> None:
    found = one(judge_peers(HOSTS, views(v2={"v1": "refused"}, v3={"v1": "refused"})))
    assert found.ids[0] == "validator-1"
    assert "validator-1 -> validator-2, validator-3 ok" in found.text
    assert "closed port or a firewall on the host of validator-1" in found.text
    assert "RAFT_BIND_ADDRESS" in found.fix


def test_silence_instead_of_a_refusal_is_a_firewall() -> None:
    found = one(judge_peers(HOSTS, views(v2={"v1": "timeout"}, v3={"v1": "timeout"})))
    assert "inbound firewall on the host of validator-1" in found.text


def test_who_reaches_nobody_while_others_do_has_an_outbound_firewall() -> None:
    found = judge_peers(HOSTS, views(v3={"v1": "timeout", "v2": "timeout"}))
    assert {finding.ids for finding in found} == {
        ("validator-3", "validator-1"), ("validator-3", "validator-2"),
    }  # fmt: skip
    assert all("outbound firewall on the host of validator-3" in finding.text for finding in found)


def test_who_answers_nobody_is_down() -> None:
    seen = views(("validator-2",), v1={"v2": "refused"}, v3={"v2": "timeout"})
    found = one(judge_peers(HOSTS, seen))
    assert found.ids[0] == "validator-2"
    assert "validator-2 is down, or its host is not reached" in found.text


def test_a_name_that_nobody_knows_is_no_firewall() -> None:
    names = {"v1": {"v2": "unknown name"}, "v3": {"v2": "unknown name"}}
    found = one(judge_peers(HOSTS, views(**names)))
    assert "the name is not known" in found.text
    assert "move" in found.fix
    found = one(judge_peers(HOSTS, views(v1={"v2": "unknown name"})))
    assert found.ids[0] == "validator-1", "others know the name: it is the asker's to correct"


def test_a_connection_that_the_other_side_opened_keeps_them_together() -> None:
    assert not one(judge_peers(HOSTS, views(v3={"v1": "refused"}))).parted
    assert one(judge_peers(HOSTS, views(parted=True, v3={"v1": "refused"}))).parted


def test_two_sides_are_enough_to_judge() -> None:
    two = {name: HOSTS[name] for name in ("validator-1", "validator-2")}
    seen = [
        PeerView(id="validator-1", dials={"validator-2": "ok"}, connected={"validator-2": True}),
        PeerView(id="validator-2", dials={"validator-1": "timeout"}, connected={"validator-1": True}),
    ]  # fmt: skip
    found = one(judge_peers(two, seen))
    assert (
        "validator-1 -> validator-2 ok: inbound firewall on the host of validator-1" in found.text
    )


def test_a_view_is_read_from_what_a_validator_answers() -> None:
    document = {
        "id": "validator-1",
        "peers": [{"id": "validator-2", "dial": "ok", "connected": False, "endpoint": "x:1"}],
    }
    assert view_of(document) == PeerView(
        id="validator-1", dials={"validator-2": "ok"}, connected={"validator-2": False}
    )
