"""Who listens for intents: what is known of a signer with several streams, none, or none any more."""

from pinai_subnet.matcher.updates import IntentStreams, Listener
from pinai_subnet.protocol.ids import Address

SIGNER = Address("0x" + "11" * 20)


def streams() -> IntentStreams:
    return IntentStreams(open_intents=lambda: (), queue_size=4, on_overflow=lambda: None)


def connect(to: IntentStreams, signer: Address | None, *types: str) -> Listener:
    return to.connect(signer=signer, intent_types=frozenset(types), subnet_matches=True)


def test_a_signer_hears_what_any_of_its_streams_hears() -> None:
    heard = streams()
    connect(heard, SIGNER, "echo")
    connect(heard, SIGNER, "hash")
    assert [heard.hears(SIGNER, t) for t in ("echo", "hash", "other")] == [True, True, False]
    assert heard.signers() == {SIGNER}


def test_a_signer_whose_streams_are_all_over_is_unknown_and_unsigned_streams_name_nobody() -> None:
    heard = streams()
    first, second = connect(heard, SIGNER, "echo"), connect(heard, SIGNER, "hash")
    nobody = connect(heard, None)
    heard.disconnect(first)
    assert heard.hears(SIGNER, "echo") is False
    heard.disconnect(second)
    heard.disconnect(second)
    heard.disconnect(nobody)
    assert heard.hears(SIGNER, "hash") is None
    assert (heard.signers(), len(heard)) == (set(), 0)
