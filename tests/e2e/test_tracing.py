"""An intent is one trace, told by everybody who worked on it; without a collector everything goes on as before."""

from collections.abc import Callable

from tests.collector_kit import Told, collecting
from tests.network_kit import LocalTestNetwork, wait_until

MATCHER = {"intent", "window", "auction", "assignment", "delivery", "execution", "outcome"}
EACH = {"judging", "signing"}
ONE = {"report", "sealing", "finality", "settlement"}


def complete(told: list[Told]) -> bool:
    names = {(one.who.partition("-")[0], one.span["name"]) for one in told}
    judges = {one.who for one in told if one.span["name"] == "judging"}
    wanted = {("matcher", name) for name in MATCHER} | {("validator", n) for n in EACH | ONE}
    return names >= wanted and len(judges) == 3


def test_one_intent_is_one_trace_of_all_who_worked_on_it(
    make_network: Callable[..., LocalTestNetwork],
) -> None:
    with collecting() as collector:
        tracing = {"tracing.endpoint": collector.endpoint}
        network = make_network(
            validators=3,
            agents=1,
            settings={"matcher.yaml": tracing, "validator.yaml": tracing},
        )
        network.start()
        intent = network.submit()
        network.wait_all([intent])
        wait_until(lambda: complete(collector.of(intent)), "everybody has told of the intent")
        told = collector.of(intent)
        assert {one.span["traceId"] for one in told} == {intent.removeprefix("0x")[:32]}
        [root] = [one for one in told if one.span["name"] == "intent"]
        others = [one for one in told if one is not root]
        assert {one.span["parentSpanId"] for one in others} == {root.span["spanId"]}
        assert all(one.span["status"] == {} for one in told)
        for one in told:
            assert 0 < int(one.span["startTimeUnixNano"]) <= int(one.span["endTimeUnixNano"])
    # The collector is gone; nothing waits for it.
    network.wait_all(network.submit_many(5))
    for member in ("matcher", *network.validators):
        assert network.ready(member)
        assert "SN-H029" not in network.log(member)
