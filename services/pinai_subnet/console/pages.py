"""The pages: what each one asks for and which template shows it. Reads only; who may see them is decided before."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pinai_subnet.console.lookout import Lookout
from pinai_subnet.console.members import PHASES, Members
from pinai_subnet.console.rendering import Renderer
from pinai_subnet.console.rows import story_bids
from pinai_subnet.console.runbooks import Runbooks
from pinai_subnet.console.timeline import draw
from pinai_subnet.insight.intent_story import IntentStory
from pinai_subnet.insight.network_status import NetworkStatus
from pinai_subnet.insight.runbooks import RUNBOOK_OF
from pinai_subnet.protocol.errors import InvalidInput, NotFound, SubnetError
from pinai_subnet.protocol.ids import IntentId, parse_bytes32
from pinai_subnet.wire.catalogue import CATALOGUE

TellStory = Callable[[IntentId], Awaitable[IntentStory]]
MAX_TYPE = 256
NEWEST = 8
"""Intents on the first page."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One entry of the navigation."""

    path: str
    title: str


SECTIONS = (
    Section(path="/", title="Overview"),
    Section(path="/intents", title="Intents"),
    Section(path="/auctions", title="Auctions"),
    Section(path="/validators", title="Validators"),
    Section(path="/agents", title="Agents"),
    Section(path="/settlement", title="Settlement"),
    Section(path="/alerts", title="Alerts"),
)


class Pages:
    """Makes the HTML of every page. `partial` leaves the frame out, for a page that is shown already."""

    def __init__(
        self,
        *,
        renderer: Renderer,
        lookout: Lookout,
        members: Members,
        tell: TellStory,
        runbooks: Runbooks,
    ) -> None:
        """Show what these tell."""
        self._renderer = renderer
        self._lookout = lookout
        self._members = members
        self._tell = tell
        self._runbooks = runbooks

    def pushed(self, status: NetworkStatus) -> Mapping[str, str]:
        """Return what is pushed to open pages after a look at the network."""
        return {"strip": self._renderer.render("_strip.html", status=status)}

    async def overview(self, *, partial: bool) -> str:
        """The network at a glance."""
        status = await self._lookout.status()
        newest = await self._members.intents(phase="", intent_type="", offset=0)
        return await self._page(
            "overview.html",
            "/",
            partial,
            newest=newest.value.rows[:NEWEST],
            total=newest.value.pages.total,
            silent=newest.silent,
            status=status,
        )

    async def intents(
        self, *, phase: str, intent_type: str, find: str, offset: int, partial: bool
    ) -> str:
        """The list of intents, newest first."""
        if phase and phase not in PHASES:
            raise InvalidInput(
                "SN-N129", f"phase {phase[:40]!r}; expected one of {', '.join(PHASES)}"
            )
        intent_type = intent_type[:MAX_TYPE]
        found = await self._members.intents(phase=phase, intent_type=intent_type, offset=offset)
        return await self._page(
            "intents.html",
            "/intents",
            partial,
            listing=found.value,
            silent=found.silent,
            phases=PHASES,
            phase=phase,
            intent_type=intent_type,
            find=find,
        )

    async def story(self, intent_id: str) -> IntentStory:
        """Everything that is known of one intent; raises `InvalidInput` for what is no id."""
        return await self._tell(IntentId(parse_bytes32(intent_id.strip(), "intent id")))

    async def intent(self, intent_id: str, *, partial: bool) -> str:
        """One intent's story as a picture."""
        story = await self.story(intent_id)
        return await self._page(
            "intent.html",
            "/intents",
            partial,
            story=story,
            picture=draw(story),
            bids=story_bids(story.offers),
        )

    async def auctions(self, *, offset: int, partial: bool) -> str:
        """The newest auctions, bid by bid."""
        found = await self._members.auctions(offset)
        rows, pages = found.value
        return await self._page(
            "auctions.html", "/auctions", partial, auctions=rows, pages=pages, silent=found.silent
        )

    async def validators(self, *, partial: bool) -> str:
        """The validators, who sees whom, and both quorums."""
        return await self._page("validators.html", "/validators", partial)

    async def agents(self, *, partial: bool) -> str:
        """The agents with what they win and earn."""
        found = await self._members.agents()
        return await self._page(
            "agents.html", "/agents", partial, agents=found.value, silent=found.silent
        )

    async def settlement(self, *, partial: bool) -> str:
        """The newest batches on their way to RootLayer."""
        found = await self._members.epochs(await self._lookout.status())
        return await self._page(
            "settlement.html", "/settlement", partial, epochs=found.value, silent=found.silent
        )

    async def alerts(self, *, partial: bool) -> str:
        """What is wrong, and what to do about it."""
        return await self._page(
            "alerts.html",
            "/alerts",
            partial,
            catalogue=CATALOGUE,
            runbook_of=RUNBOOK_OF,
            runbooks=self._runbooks.names,
        )

    async def runbook(self, name: str, *, partial: bool) -> str:
        """What to do when the alert of this name goes off."""
        text = self._runbooks.find(name)
        if text is None:
            raise NotFound("SN-N130", "no such runbook")
        return await self._page("runbook.html", "/alerts", partial, name=name, text=text)

    async def code(self, code: str, *, partial: bool) -> str:
        """One error code with its cause and remedy."""
        entry = CATALOGUE.get(code.strip().upper()[:16])
        if entry is None:
            raise NotFound("SN-N130", "no such code")
        return await self._page(
            "code.html", "/alerts", partial, entry=entry, runbook=RUNBOOK_OF.get(entry.code)
        )

    async def network(self) -> dict[str, Any]:
        """The newest look at the network as JSON."""
        return (await self._lookout.status()).document()

    def sign_in(self, *, onwards: str, error: SubnetError | None = None) -> str:
        """The page that asks for the token."""
        return self._renderer.render("sign_in.html", onwards=onwards, error=error, here="")

    def problem(self, *, status: int, code: str, title: str, detail: str) -> str:
        """A page that says what went wrong."""
        return self._renderer.render(
            "problem.html",
            here="",
            number=status,
            code=code,
            title=title,
            detail=detail,
            entry=CATALOGUE.get(code),
        )

    async def _page(self, template: str, here: str, partial: bool, **values: Any) -> str:
        status = values.pop("status", None) or await self._lookout.status()
        layout = "_partial.html" if partial else "_page.html"
        return self._renderer.render(
            template, layout=layout, here=here, sections=SECTIONS, status=status, **values
        )
