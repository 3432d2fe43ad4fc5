"""The roster's rules: life of an entry, binding to a key, filters."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pinai_subnet.protocol.errors import Exhausted, Forbidden, NotFound, Unauthenticated
from pinai_subnet.protocol.ids import Address
from pinai_subnet.registry.roster import Entry, Kind, Lifetimes, Roster, Status

ALICE = Address("0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A")
MALLORY = Address("0x1563915e194D8CfBA1943570603F7606A3115508")
LIVES = Lifetimes(healthy_seconds=300, evicted_seconds=600, forgotten_seconds=10_000, max_entries=3)


def roster(**changes: object) -> Roster:
    return Roster(**{"lifetimes": LIVES, **changes})  # type: ignore[arg-type]


def add(
    r: Roster,
    member_id: str,
    now: int = 0,
    *,
    caps: tuple[str, ...] = ("echo",),
    caller: Address | None = None,
    kind: Kind = Kind.AGENT,
) -> Entry:
    return r.register(
        kind=kind, member_id=member_id, capabilities=caps, endpoint="h:1", caller=caller, now=now
    )


def beat(
    r: Roster,
    member_id: str,
    now: int,
    *,
    caller: Address | None = None,
    status: Status = Status.UNKNOWN,
    kind: Kind = Kind.AGENT,
) -> Entry:
    return r.heartbeat(kind=kind, member_id=member_id, status=status, caller=caller, now=now)


def ids(entries: list[Entry]) -> list[str]:
    return [entry.id for entry in entries]


@pytest.mark.parametrize("kind", list(Kind))
def test_silence_makes_an_entry_unhealthy_then_invisible(kind: Kind) -> None:
    """R2: validators expire like agents, and lists show no dead entries."""
    r = roster()
    add(r, "a", kind=kind)
    assert r.get(kind=kind, member_id="a", now=299).status is Status.ACTIVE
    assert r.get(kind=kind, member_id="a", now=300).status is Status.UNHEALTHY
    assert ids(r.listing(kind=kind, now=599)) == ["a"]
    assert r.listing(kind=kind, now=600) == []
    with pytest.raises(NotFound, match="SN-N212"):
        r.get(kind=kind, member_id="a", now=600)


def test_a_heartbeat_revives_an_evicted_entry_with_all_it_had() -> None:
    """R4: an expired agent is not answered 404, because it would never register again."""
    r = roster()
    add(r, "a", caps=("echo", "script"))
    revived = beat(r, "a", 5_000)
    assert revived.capabilities == ("echo", "script")
    assert ids(r.discover(capabilities=["script"], now=5_001)) == ["a"]


def test_a_forgotten_entry_is_not_revived() -> None:
    r = roster()
    add(r, "a")
    with pytest.raises(NotFound):
        beat(r, "a", 10_000)
    assert ids(r.forget(10_000)) == ["a"]
    assert r.forget(10_000) == []


def test_discovery_asks_for_all_capabilities_and_health() -> None:
    r = roster()
    add(r, "c", 200, caps=("echo", "script"))
    add(r, "b", 0, caps=("echo", "script"))
    add(r, "a", 200, caps=("echo",))
    assert ids(r.discover(capabilities=[], now=250)) == ["a", "b", "c"]
    assert ids(r.discover(capabilities=["echo", "script"], now=250)) == ["b", "c"]
    assert ids(r.discover(capabilities=["echo", "script"], now=300)) == ["c"]
    assert r.discover(capabilities=["none"], now=250) == []


def test_listing_honours_both_filters_and_heartbeat_its_status() -> None:
    """R3: the published registry ignored both filters and the heartbeat's status."""
    r = roster()
    add(r, "a", caps=("echo",))
    add(r, "b", caps=("script",))
    beat(r, "b", 1, status=Status.INACTIVE)
    assert ids(r.listing(kind=Kind.AGENT, now=2, capabilities=["echo"])) == ["a"]
    assert ids(r.listing(kind=Kind.AGENT, now=2, status=Status.INACTIVE)) == ["b"]
    assert ids(r.listing(kind=Kind.AGENT, now=302, status=Status.UNHEALTHY)) == ["a", "b"]
    assert ids(r.discover(capabilities=[], now=2)) == ["a"]
    assert beat(r, "b", 3).status is Status.ACTIVE


def test_overwriting_replaces_the_capabilities_in_the_index() -> None:
    r = roster()
    add(r, "a", caps=("echo",))
    add(r, "a", 5, caps=("script",))
    assert r.discover(capabilities=["echo"], now=6) == []
    assert r.get(kind=Kind.AGENT, member_id="a", now=6).registered_at == 0


@pytest.mark.parametrize("act", ["register", "heartbeat", "unregister"])
@pytest.mark.parametrize(("caller", "error"), [(None, Unauthenticated), (MALLORY, Forbidden)])
@pytest.mark.parametrize("now", [10, 5_000])
def test_a_bound_entry_obeys_its_key_only(
    act: str, caller: Address | None, error: type[Exception], now: int
) -> None:
    """A18: nobody else overwrites, keeps alive or deletes an entry registered by a signed request."""
    r = roster()
    assert add(r, "a", caller=ALICE).address == ALICE
    acts: dict[str, Callable[[], object]] = {
        "register": lambda: add(r, "a", now, caller=caller),
        "heartbeat": lambda: beat(r, "a", now, caller=caller),
        "unregister": lambda: r.unregister(kind=Kind.AGENT, member_id="a", caller=caller, now=now),
    }
    with pytest.raises(error):
        acts[act]()
    assert beat(r, "a", now, caller=ALICE).last_seen == now


def test_an_unregistered_bound_id_stays_reserved_until_forgotten() -> None:
    r = roster()
    add(r, "a", caller=ALICE)
    r.unregister(kind=Kind.AGENT, member_id="a", caller=ALICE, now=10)
    assert r.listing(kind=Kind.AGENT, now=11) == []
    with pytest.raises(NotFound):
        beat(r, "a", 11, caller=ALICE)
    with pytest.raises(Forbidden, match="SN-N211"):
        add(r, "a", 12, caller=MALLORY)
    assert add(r, "a", 10_010, caller=MALLORY).address == MALLORY


def test_an_open_entry_can_be_changed_unsigned_and_bound_later() -> None:
    r = roster()
    add(r, "a")
    add(r, "a", 1)
    assert add(r, "a", 2, caller=ALICE).address == ALICE
    with pytest.raises(Unauthenticated, match="SN-N210"):
        add(r, "a", 3)


def test_an_unregistered_open_entry_is_gone() -> None:
    r = roster()
    add(r, "a")
    r.unregister(kind=Kind.AGENT, member_id="a", caller=None, now=1)
    with pytest.raises(NotFound):
        r.unregister(kind=Kind.AGENT, member_id="a", caller=None, now=1)


def test_signatures_can_be_required_of_everybody() -> None:
    r = roster(require_signed=True)
    with pytest.raises(Unauthenticated, match="SN-N210"):
        add(r, "a")
    assert add(r, "a", caller=ALICE).address == ALICE


def test_a_validator_of_the_network_belongs_to_its_key_from_the_start() -> None:
    """A18: a stranger cannot put its own endpoint behind a validator's id."""
    r = roster(owners={(Kind.VALIDATOR, "validator-1"): ALICE})
    with pytest.raises(Unauthenticated):
        add(r, "validator-1", kind=Kind.VALIDATOR)
    with pytest.raises(Forbidden):
        add(r, "validator-1", kind=Kind.VALIDATOR, caller=MALLORY)
    assert add(r, "validator-1", kind=Kind.VALIDATOR, caller=ALICE).address == ALICE
    assert add(r, "validator-1", kind=Kind.AGENT).address is None


def test_a_full_roster_gives_up_idle_open_entries_first_and_then_refuses() -> None:
    r = roster()
    add(r, "a")
    add(r, "b", caller=ALICE)
    add(r, "c", 1)
    with pytest.raises(Exhausted, match="SN-N214"):
        add(r, "d", 2)
    add(r, "a", 3)
    r.take_changes()
    add(r, "d", 601)
    assert ids(r.listing(kind=Kind.AGENT, now=602)) == ["a", "d"]
    assert r.take_changes()[Kind.AGENT, "c"] is None
    assert beat(r, "b", 603, caller=ALICE).address == ALICE


_STEPS = st.lists(
    st.tuples(
        st.sampled_from(["register", "heartbeat", "unregister", "forget"]),
        st.sampled_from(["a", "b", "c", "d"]),
        st.sampled_from([None, ALICE, MALLORY]),
        st.integers(min_value=0, max_value=4_000),
        st.sets(st.sampled_from(["echo", "script"]), min_size=1),
    ),
    max_size=40,
)


@given(steps=_STEPS)
@settings(max_examples=80, deadline=None)
def test_a_store_fed_with_the_changes_always_rebuilds_the_same_roster(
    steps: list[tuple[str, str, Address | None, int, set[str]]],
) -> None:
    """R1: whatever happens, what was written is enough to restart from; the index agrees with the entries."""
    r, stored, now = roster(), {}, 0
    for act, member_id, caller, pause, caps in steps:
        now += pause
        try:
            if act == "register":
                add(r, member_id, now, caller=caller, caps=tuple(sorted(caps)))
            elif act == "heartbeat":
                beat(r, member_id, now, caller=caller)
            elif act == "unregister":
                r.unregister(kind=Kind.AGENT, member_id=member_id, caller=caller, now=now)
            else:
                r.forget(now)
        except (Exhausted, Forbidden, NotFound, Unauthenticated):
            pass
        stored.update(r.take_changes())
        kept = [entry for entry in stored.values() if entry is not None]
        again = roster(entries=kept)
        assert again.listing(kind=Kind.AGENT, now=now) == r.listing(kind=Kind.AGENT, now=now)
        assert len(kept) <= LIVES.max_entries
        for capability in ("echo", "script"):
            by_index = ids(r.listing(kind=Kind.AGENT, now=now, capabilities=[capability]))
            by_scan = [
                e.id for e in r.listing(kind=Kind.AGENT, now=now) if capability in e.capabilities
            ]
            assert by_index == by_scan
