"""What adding, removing, replacing, moving a validator and changing its key need on this host: keys, files, processes.

Every step finds out what is done already, so a command that was interrupted is continued by repeating it. A new key is
in `.env` before anybody hears of it. What counts is the running network's set; the files follow it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pinai_subnet.adapters.signer.local import LocalSigner
from pinai_subnet.adapters.signing_record.file import carry_over
from pinai_subnet.cli.keys import new_private_key
from pinai_subnet.cli.local_network import LocalNetwork, Member, members
from pinai_subnet.cli.ports import PER_VALIDATOR, PortPlan
from pinai_subnet.cli.session import Session, open_session
from pinai_subnet.cli.set_change import (
    Present,
    check,
    outlook,
    own_signer,
    plan,
    present_set,
    private_key,
    require_possible,
    see_through,
    wait_everywhere,
    wait_for,
)
from pinai_subnet.cli.set_files import number_of, write_env, write_network
from pinai_subnet.ports.errors import Refused
from pinai_subnet.protocol.errors import Conflict
from pinai_subnet.protocol.ids import ValidatorId
from pinai_subnet.protocol.membership import SetAction, SetChange
from pinai_subnet.protocol.network import ValidatorIdentity
from pinai_subnet.runtime.errors import cannot_start
from pinai_subnet.runtime.settings import read_private_key

READY_SECONDS = 60.0
Facts = dict[str, Any]


def waiting_key(validator: str) -> str:
    """Return which variable of `.env` has the key that a validator is about to take."""
    return f"VALIDATOR_NEXT_KEY_{number_of(validator)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SetSteps:
    """The changes of one home. With `dry_run` they only say what would happen, or refuse as they would."""

    session: Session
    say: Callable[[str], None]
    dry_run: bool
    wait_seconds: float

    def add(self, wanted: str | None, key_file: Path | None) -> Facts:
        """Add a validator that runs here, or go on with one that was begun; return what changed."""
        self.session.home.require_processes(
            "a validator in a container is added by invitation",
            "./scripts/deploy.sh invite --id ID --host ADDRESS; there: deploy.sh join PACKAGE; "
            "and where it replaces another: ./scripts/deploy.sh remove OTHER",
        )
        present = present_set(self.session)
        begun = self._begun(present, wanted) if key_file is None else None
        member, key = begun or self._newcomer(present, wanted, key_file)
        signer = LocalSigner(key)
        change = plan(self.session, present, SetAction.ADD, member)
        facts = self._outlook(present, change, signer) | {"resumed": begun is not None}
        if self.dry_run:
            return facts
        if begun is not None:
            self.say(f"  {member.id} was begun before: going on with it")
        number = number_of(member.id)
        own = {
            f"VALIDATOR_KEY_{number}": key.hex(),
            f"VALIDATOR_PUBKEY_{number}": signer.public_key.hex(),
            f"VALIDATOR_{number}_GRPC": member.grpc_endpoint,
            f"VALIDATOR_{number}_HTTP": member.http_endpoint,
            f"VALIDATOR_{number}_RAFT": member.raft_endpoint,
        }
        write_env(self.session.home, own)
        self._adding.write_text(member.id, encoding="utf-8")
        others = tuple(one for one in present.members if one.id != member.id)
        self._write_network((*others, member))
        process = self._restart(member.id, only_if_down=True)
        see_through(self.session, change, signer, say=self.say, wait_seconds=self.wait_seconds)
        wait_for(
            self.session,
            f"{member.id} has its vote",
            lambda seen: seen.role(member.id) == "voter",
            say=self.say,
            timeout_seconds=self.wait_seconds,
        )
        self._wait_ready(process)
        effect = self._in_effect()
        self._adding.unlink()
        return facts | effect

    def remove(self, validator: str) -> Facts:
        """Take a validator out of the set, then its process and its key from here; return what changed."""
        present = present_set(self.session)
        member = present.member(validator) or self._gone(present, validator)
        if member is None:
            raise unknown(present, validator)
        change = plan(self.session, present, SetAction.REMOVE, member)
        facts = self._outlook(present, change, None)
        if self.dry_run:
            return facts
        see_through(self.session, change, None, say=self.say, wait_seconds=self.wait_seconds)
        wait_for(
            self.session,
            f"{validator} has no vote any more",
            lambda seen: seen.api.name != validator and seen.role(validator) is None,
            say=self.say,
        )
        self.forget(validator)
        return facts | self._in_effect()

    def rotate(self, validator: str, key_file: Path | None, *, container: bool = False) -> Facts:
        """Give a validator that runs here another key; return what changed.

        A container is only given it once whoever stops and starts that one has called `take_key`.
        """
        if not container:
            self.session.home.require_processes(
                "a validator in a container is given another key by deploy.sh, which restarts it",
                f"./scripts/deploy.sh rotate-key {validator}",
            )
        present = present_set(self.session)
        member = present.member(validator)
        if member is None:
            raise unknown(present, validator)
        waiting = waiting_key(validator)
        kept = self.session.environment.get(waiting)
        key = bytes.fromhex(kept) if kept else new_private_key()
        if key_file is not None:
            key = read_private_key(None, key_file, "--key-file")
        signer = LocalSigner(key)
        renewed = replace(member, address=signer.address, public_key=signer.public_key)
        change = plan(self.session, present, SetAction.ROTATE_KEY, renewed)
        resumed = bool(kept) and present.shows(change)
        former = own_signer(self.session, validator, None if resumed else member.address)
        facts = self._outlook(present, change, None if resumed else signer, checked=not resumed)
        given_up = "its former key" if former.address == signer.address else former.address
        facts |= {"address": signer.address, "given_up": given_up}
        if self.dry_run:
            return facts
        write_env(self.session.home, {waiting: key.hex()})
        try:
            see_through(self.session, change, signer, say=self.say, wait_seconds=self.wait_seconds)
        except Refused as error:
            # Only a key that nobody can have agreed on is dropped: an agreed one is the validator's, and only here.
            seen = present_set(self.session)
            if error.code != "SN-V115" and not seen.shows(change) and seen.proposed != change:
                write_env(self.session.home, {}, without=(waiting,))
            raise
        if container:
            return facts
        self._stop(validator)
        record = self.session.home.data / validator / "signing-record.log"
        if record.exists():
            carry_over(record, former=former.address, address=signer.address)
        self.take_key(validator, key)
        self._wait_ready(self._restart(validator))
        self.finish_key(validator)
        return facts | self._in_effect()

    def take_key(self, validator: str, key: bytes) -> None:
        """Make the key that the network has agreed on the validator's own, and write the set down as it is now.

        It goes on waiting beside that, so that everything can be repeated until `finish_key`.
        """
        signer, number = LocalSigner(key), number_of(validator)
        if own_signer(self.session, validator, None).address == signer.address:
            return  # taken before; the network may not even run without this validator

        def agreed(seen: Present) -> bool:
            member = seen.member(validator)
            return member is not None and member.address == signer.address

        present = wait_for(
            self.session, f"{validator} is in the set with that key", agreed, say=self.say
        )
        own = {
            f"VALIDATOR_KEY_{number}": key.hex(),
            f"VALIDATOR_PUBKEY_{number}": signer.public_key.hex(),
        }
        write_env(self.session.home, own)
        self._write_network(present.members)

    def finish_key(self, validator: str) -> None:
        """End what `take_key` began: the validator runs with its new key."""
        write_env(self.session.home, {}, without=(waiting_key(validator),))

    def move(self, validator: str, endpoints: Mapping[str, str]) -> Facts:
        """Give a validator that runs here other endpoints (GRPC, HTTP, RAFT); its key stays. Return what changed."""
        present = present_set(self.session)
        member = present.member(validator)
        if member is None:
            raise unknown(present, validator)
        own_signer(self.session, validator, member.address)
        moved = replace(
            member,
            grpc_endpoint=endpoints.get("GRPC", member.grpc_endpoint),
            http_endpoint=endpoints.get("HTTP", member.http_endpoint),
            raft_endpoint=endpoints.get("RAFT", member.raft_endpoint),
        )
        change = plan(self.session, present, SetAction.MOVE, moved)
        facts = self._outlook(present, change, None)
        facts |= {"endpoints": [moved.grpc_endpoint, moved.http_endpoint, moved.raft_endpoint]}
        if self.dry_run:
            return facts
        see_through(self.session, change, None, say=self.say, wait_seconds=self.wait_seconds)
        number = number_of(validator)
        self._stop(validator)
        own = {f"VALIDATOR_{number}_{kind}": value for kind, value in endpoints.items()}
        if self.session.home.in_containers:
            own |= {f"{name}_PORT": value.rpartition(":")[2] for name, value in own.items()}
        write_env(self.session.home, own)
        self._write_network(present_set(self.session).members)
        if self.session.home.in_containers:
            return facts  # `deploy.sh` makes the container anew, which takes effect there
        self._wait_ready(self._restart(validator))
        return facts | self._in_effect()

    def forget(self, validator: str) -> None:
        """Stop a validator that is in no set and take its key out of `.env`; its data directory stays."""
        self._stop(validator)
        if self._unfinished == validator:
            self._adding.unlink()
        number = number_of(validator)
        names = (f"VALIDATOR_KEY_{number}", f"VALIDATOR_PUBKEY_{number}")
        # Of the set that the network began with, the endpoints stay: `network.yaml` still names them.
        write_env(self.session.home, {}, without=names)
        self._write_network(present_set(self.session).members)

    # -- finding out --------------------------------------------------------------------------------

    @property
    def _adding(self) -> Path:
        """Names the validator whose adding has begun and was not seen to its end."""
        return self.session.home.run / "adding"

    @property
    def _unfinished(self) -> str | None:
        return self._adding.read_text(encoding="utf-8") if self._adding.exists() else None

    def _begun(
        self, present: Present, wanted: str | None
    ) -> tuple[ValidatorIdentity, bytes] | None:
        """Return the validator whose adding was begun here and is not finished, with its key."""
        for process in members(self.session.environment):
            name = process.name
            if process.role != "validator" or wanted not in {None, name}:
                continue
            key = private_key(self.session, name)
            if key is None:
                continue
            signer = LocalSigner(key)
            member = present.member(name) or self._configured(name, signer)
            if (
                member is not None
                and member.address == signer.address
                and signer.address not in present.tombstoned
                and (self._unfinished == name or present.role(name) != "voter")
            ):
                return member, key
        return None

    def _configured(self, name: str, signer: LocalSigner) -> ValidatorIdentity | None:
        number = number_of(name)
        found = [
            self.session.environment.get(f"VALIDATOR_{number}_{kind}") for kind in PER_VALIDATOR
        ]
        if not all(found):
            return None
        grpc, http, raft = (str(endpoint) for endpoint in found)
        return ValidatorIdentity(
            id=ValidatorId(name),
            address=signer.address,
            public_key=signer.public_key,
            grpc_endpoint=grpc,
            http_endpoint=http,
            raft_endpoint=raft,
        )

    def _newcomer(
        self, present: Present, wanted: str | None, key_file: Path | None
    ) -> tuple[ValidatorIdentity, bytes]:
        name = wanted or f"validator-{self._next_number(present)}"
        if present.member(name) is not None:
            raise Conflict("SN-V110", f"{name} is a validator already")
        if not number_of(name).isdigit() or (self.session.home.data / name).exists():
            raise cannot_start(
                "SN-V110",
                f"{name!r} cannot be added: it is no `validator-<number>`, or its data directory is another's",
                where=str(self.session.home.data / name),
                fix=f"use validator-{self._next_number(present)}, or leave --id out",
            )
        key = new_private_key()
        if key_file is not None:
            key = read_private_key(None, key_file, "--key-file")
        signer = LocalSigner(key)
        free = PortPlan.free(1).endpoints
        member = ValidatorIdentity(
            id=ValidatorId(name),
            address=signer.address,
            public_key=signer.public_key,
            grpc_endpoint=free["VALIDATOR_1_GRPC"],
            http_endpoint=free["VALIDATOR_1_HTTP"],
            raft_endpoint=free["VALIDATOR_1_RAFT"],
        )
        return member, key

    def _next_number(self, present: Present) -> int:
        """Return a number that nobody ever had here: a data directory belongs to one key."""
        network = self.session.network
        names = [str(one.id) for one in (*present.members, *network.parameters.validators)]
        names += [str(one.id) for one in network.genesis.validators]
        names += [path.name for path in self.session.home.data.glob("validator-*")]
        return max(int(number_of(name)) for name in names if number_of(name).isdigit()) + 1

    def _gone(self, present: Present, validator: str) -> ValidatorIdentity | None:
        """Return a validator that has left the set while its process and key are still here."""
        found = self.session.network.parameters.validator(validator)
        return found if found is not None and found.address in present.tombstoned else None

    def _outlook(
        self,
        present: Present,
        change: SetChange,
        signer: LocalSigner | None,
        *,
        checked: bool = True,
    ) -> Facts:
        facts = outlook(self.session, present, change)
        if checked:
            check(self.session, present, change, signer)
        if not present.shows(change):
            require_possible(facts)
        return facts

    def _in_effect(self) -> Facts:
        return wait_everywhere(open_session(self.session.home.root), say=self.say)

    # -- processes and files ------------------------------------------------------------------------

    @property
    def _local(self) -> LocalNetwork:
        return LocalNetwork(home=self.session.home, say=self.say)

    def _stop(self, name: str) -> None:
        if self.session.home.in_containers:
            return
        running = self._local.running().get(name)
        if running is not None:
            self._local.stop([running])

    def _restart(self, name: str, *, only_if_down: bool = False) -> Member:
        environment = open_session(self.session.home.root).environment
        process = next(one for one in members(environment) if one.name == name)
        if not (only_if_down and name in self._local.running()):
            self._local.start(process, environment)
        return process

    def _wait_ready(self, process: Member) -> None:
        running = self._local.running()
        self._local.wait_ready([process], running, timeout_seconds=READY_SECONDS)

    def _write_network(self, present: tuple[ValidatorIdentity, ...]) -> None:
        write_network(self.session.home, present, self.session.network.genesis.validators)


def unknown(present: Present, validator: str) -> Exception:
    """Return the refusal of a name that no validator has."""
    return cannot_start(
        "SN-V110",
        f"{validator!r} is not a validator",
        where=present.api.base,
        fix=f"use one of {', '.join(one.id for one in present.members)}",
    )
