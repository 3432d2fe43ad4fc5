"""Whether the network still lives, asked before anything that would fork it. Changes nothing."""

from collections.abc import Sequence
from dataclasses import dataclass

from pinai_subnet.cli.session import Session
from pinai_subnet.ports.errors import DependencyError, Refused


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What one validator says of itself; `index` is None where it does not answer."""

    validator_id: str
    has_quorum: bool
    index: int | None
    reason: str


def ask_all(session: Session) -> Sequence[Answer]:
    """Ask every validator of `network.yaml` whether it is part of a majority."""
    answers = []
    for api in session.validators():
        try:
            raft = api.get("/api/v1/status")["replication"]
        except DependencyError as error:
            answers.append(
                Answer(validator_id=api.name, has_quorum=False, index=None, reason=error.message)
            )
            continue
        answers.append(
            Answer(
                validator_id=api.name,
                has_quorum=bool(raft["has_quorum"]),
                index=int(raft["applied_index"]),
                reason="",
            )
        )
    return answers


def refuse_live_quorum(answers: Sequence[Answer], *, what: str) -> None:
    """Raise `Refused` SN-R080 where a validator answers that it is part of a majority."""
    alive = [one for one in answers if one.has_quorum]
    if alive:
        index = max(one.index or 0 for one in alive)
        names = ", ".join(one.validator_id for one in alive)
        raise Refused(
            "SN-R080",
            f"{what} refused: a live quorum exists ({names} at entry {index}); going on would fork the network",
        )
