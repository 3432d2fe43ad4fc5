"""The matcher's knobs: `matcher.yaml`, and its section of `policy_config.yaml`. What they mean is in `rules`."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    Field,
    NonNegativeFloat,
    PositiveFloat,
    PositiveInt,
    SecretStr,
)

from pinai_subnet.matcher.admission import AdmissionRules
from pinai_subnet.matcher.agents import AgentRules
from pinai_subnet.matcher.auction import AuctionRules, Newcomers, Strategy, Ties
from pinai_subnet.matcher.cooldown import CoolDownRules
from pinai_subnet.matcher.eligibility import EligibilityRules
from pinai_subnet.matcher.reputation import ReputationRules
from pinai_subnet.matcher.rules import MatchingRules
from pinai_subnet.matcher.window import WindowRules
from pinai_subnet.runtime.otlp import TracingSection
from pinai_subnet.runtime.settings import Settings, SettingsLoader

FILE_NAME = "matcher.yaml"
POLICY_FILE_NAME = "policy_config.yaml"


def _empty_is_none(value: Any) -> Any:
    return None if value == "" else value


Port = Annotated[Annotated[int, Field(ge=0, le=65_535)] | None, BeforeValidator(_empty_is_none)]
KeyFile = Annotated[Path | None, BeforeValidator(_empty_is_none)]


class ListenSection(Settings):
    """Where the matcher listens."""

    host: str = "127.0.0.1"
    grpc_port: Port = None
    """None: the port of `endpoints.matcher_grpc` in network.yaml; 0: a free one."""
    http_port: Port = None
    """None: the port of `endpoints.matcher_http` in network.yaml; 0: a free one."""


class WindowsSection(Settings):
    """How long bids are taken."""

    bidding_window_seconds: PositiveFloat = 2.0
    bidding_window_seconds_by_type: dict[str, PositiveFloat] = Field(default_factory=dict)
    reopen_max_seconds: PositiveFloat = 30.0
    early_close: bool = True
    early_close_waits_for: Literal["connected", "registered"] = "connected"


class BidsSection(Settings):
    """Which bids are taken."""

    max_bids_per_intent: PositiveInt = 100
    max_batch_bids: PositiveInt = 100
    bid_updates: bool = True
    accepted_tokens: tuple[str, ...] = ()


class TasksSection(Settings):
    """How long agents may take."""

    max_attempts: Annotated[int, Field(ge=1, le=16)] = 5
    response_timeout_seconds: PositiveFloat = 30.0
    lease_seconds: PositiveFloat = 300.0


class CanarySection(Settings):
    """The intent without cost that proves again and again that the whole network works."""

    every_seconds: NonNegativeFloat = 60.0
    """0: never."""
    timeout_seconds: PositiveFloat = 20.0


class AssignmentsSection(Settings):
    """How assignments travel."""

    assignment_batch_max: Annotated[int, Field(ge=1, le=100)] = 10
    assignment_flush_seconds: NonNegativeFloat = 0.02
    record_batch_max: Annotated[int, Field(ge=1, le=500)] = 100
    validator_timeout_seconds: PositiveFloat = 5.0


class IntentsSection(Settings):
    """How intents come and go."""

    reconcile_seconds: PositiveFloat = 15.0
    default_deadline_seconds: PositiveFloat = 3600.0
    max_deadline_seconds: Annotated[float, Field(gt=0, le=604_000)] = 518_400.0
    outcome_grace_seconds: NonNegativeFloat = 15.0
    outcome_wait_seconds: PositiveFloat = 3600.0
    keep_finished_seconds: NonNegativeFloat = 10.0
    retention_seconds: PositiveFloat = 604_800.0
    retention_intents: PositiveInt = 200_000


class RegistrySection(Settings):
    """How the registry is asked."""

    refresh_seconds: PositiveFloat = 2.0
    timeout_seconds: PositiveFloat = 2.0
    healthy_seconds: PositiveFloat = 300.0


class LimitsSection(Settings):
    """How much callers may ask for."""

    calls_per_second: PositiveFloat = 500.0
    burst: PositiveFloat = 1000.0
    max_message_bytes: PositiveInt = 4_194_304
    max_streams: PositiveInt = 2000
    stream_queue: PositiveInt = 1000
    max_agents: PositiveInt = 10_000
    max_intents: PositiveInt = 20_000


class MatcherSettings(Settings):
    """The whole of `matcher.yaml`."""

    matcher_id: str = "matcher-1"
    private_key: SecretStr | None = None
    private_key_file: KeyFile = None
    data_dir: Path = Path("data/matcher")
    listen: ListenSection = ListenSection()
    windows: WindowsSection = WindowsSection()
    bids: BidsSection = BidsSection()
    tasks: TasksSection = TasksSection()
    canary: CanarySection = CanarySection()
    assignments: AssignmentsSection = AssignmentsSection()
    intents: IntentsSection = IntentsSection()
    registry: RegistrySection = RegistrySection()
    limits: LimitsSection = LimitsSection()
    docs: bool = False
    tracing: TracingSection = TracingSection()


class WeightsSection(Settings):
    """How much each part of a weighted score counts, relative to the others."""

    price: NonNegativeFloat = 0.4
    reputation: NonNegativeFloat = 0.3
    capability: NonNegativeFloat = 0.2
    latency: NonNegativeFloat = 0.1


class StrategySection(Settings):
    """How the winner is found."""

    type: Strategy = Strategy.WEIGHTED
    weights: WeightsSection = WeightsSection()
    newcomers: Newcomers = Newcomers.EQUAL
    ties: Ties = Ties.SPREAD
    min_score: Annotated[float, Field(ge=0, le=1)] = 0.0
    latency_target_seconds: PositiveFloat = 10.0


class ReputationSection(Settings):
    """How trust is earned and fades."""

    half_life_hours: PositiveFloat = 72.0
    prior: PositiveFloat = 2.0


class CoolDownSection(Settings):
    """When failing agents pause."""

    after_failures: PositiveInt = 3
    first_seconds: PositiveFloat = 30.0
    longest_seconds: PositiveFloat = 600.0


class EligibilitySection(Settings):
    """Who may bid."""

    allow_unregistered: bool = True
    unlisted_types: Literal["open", "by_name"] = "open"
    capabilities_by_type: dict[str, tuple[str, ...]] = Field(default_factory=dict)


class MatcherPolicy(Settings):
    """The `matcher` section of `policy_config.yaml`."""

    strategy: StrategySection = StrategySection()
    reputation: ReputationSection = ReputationSection()
    cooldown: CoolDownSection = CoolDownSection()
    eligibility: EligibilitySection = EligibilitySection()

    def auction(self) -> AuctionRules:
        """Return the auction's rules."""
        weights = self.strategy.weights
        return AuctionRules(
            strategy=self.strategy.type,
            price=weights.price,
            reputation=weights.reputation,
            capability=weights.capability,
            latency=weights.latency,
            min_score=self.strategy.min_score,
            latency_target_seconds=self.strategy.latency_target_seconds,
            ties=self.strategy.ties,
            newcomers=self.strategy.newcomers,
        )


class PolicyFile(Settings):
    """`policy_config.yaml`; the validators' section is the validators' to read."""

    matcher: MatcherPolicy = MatcherPolicy()
    validator: dict[str, Any] = Field(default_factory=dict)


def load_policy(loader: SettingsLoader, config_dir: Path) -> MatcherPolicy | None:
    """Read and check the section; every problem goes to the loader, and None means there was at least one."""
    return read_policy(loader, config_dir / POLICY_FILE_NAME, optional=True)


def read_policy(loader: SettingsLoader, path: Path, *, optional: bool) -> MatcherPolicy | None:
    """Read and check the section of one file, as `load_policy` does."""
    loaded = loader.load(PolicyFile, path, optional=optional)
    if not loaded.ok:
        return None
    policy = loaded.value.matcher
    weights = policy.strategy.weights
    if not any((weights.price, weights.reputation, weights.capability, weights.latency)):
        loader.report(
            "SN-M040",
            "all weights of the auction are zero",
            where=loaded.where("matcher", "strategy", "weights"),
            fix="give at least one of price, reputation, capability and latency a weight",
        )
        return None
    return policy


def matching_rules(settings: MatcherSettings, policy: MatcherPolicy) -> MatchingRules:
    """Return the rules of windows, bids and tasks."""
    windows, tasks, intents = settings.windows, settings.tasks, settings.intents
    duration_ms = _ms(windows.bidding_window_seconds)
    return MatchingRules(
        windows=WindowRules(
            duration_ms=duration_ms, reopen_max_ms=max(duration_ms, _ms(windows.reopen_max_seconds))
        ),
        window_ms_by_type={
            name: _ms(seconds) for name, seconds in windows.bidding_window_seconds_by_type.items()
        },
        auction=policy.auction(),
        admission=AdmissionRules(
            max_bids_per_intent=settings.bids.max_bids_per_intent,
            bid_updates=settings.bids.bid_updates,
            tokens=frozenset(settings.bids.accepted_tokens),
        ),
        early_close=windows.early_close,
        early_close_waits_for_registered=windows.early_close_waits_for == "registered",
        max_attempts=tasks.max_attempts,
        response_ms=_ms(tasks.response_timeout_seconds),
        lease_ms=_ms(tasks.lease_seconds),
        outcome_grace_ms=_ms(intents.outcome_grace_seconds),
        outcome_wait_ms=_ms(intents.outcome_wait_seconds),
        keep_finished_ms=_ms(intents.keep_finished_seconds),
        max_intents=settings.limits.max_intents,
        default_deadline_ms=_ms(intents.default_deadline_seconds),
        max_deadline_ms=_ms(intents.max_deadline_seconds),
    )


def agent_rules(
    settings: MatcherSettings, policy: MatcherPolicy, *, signatures_checked: bool
) -> AgentRules:
    """Return the rules about agents."""
    eligibility, cooldown = policy.eligibility, policy.cooldown
    return AgentRules(
        eligibility=EligibilityRules(
            allow_unregistered=eligibility.allow_unregistered,
            capabilities_by_type={
                name: frozenset(needed) for name, needed in eligibility.capabilities_by_type.items()
            },
            unlisted_types_open=eligibility.unlisted_types == "open",
        ),
        reputation=ReputationRules(
            half_life_seconds=policy.reputation.half_life_hours * 3600,
            prior=policy.reputation.prior,
        ),
        cooldown=CoolDownRules(
            after_failures=cooldown.after_failures,
            first_ms=_ms(cooldown.first_seconds),
            longest_ms=_ms(max(cooldown.first_seconds, cooldown.longest_seconds)),
        ),
        max_agents=settings.limits.max_agents,
        signatures_checked=signatures_checked,
    )


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
