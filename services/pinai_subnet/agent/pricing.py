"""Prices by configuration: a fixed price per intent type. Not a market model."""

import random
from collections.abc import Mapping

from pinai_subnet.agent.work import Bidding, Offer, OpenIntent


class FixedPrices(Bidding):
    """Asks the configured price of the type; does not bid on a type without one."""

    def __init__(
        self,
        prices: Mapping[str, int],
        *,
        token: str = "PIN",  # noqa: S107 - a currency
        jitter: float = 0.0,
        source: random.Random | None = None,
    ) -> None:
        """Move every price up or down by at most `jitter` of it (0.1 = 10 %); `source` makes that repeatable."""
        if not 0 <= jitter < 1:
            raise ValueError("jitter must be at least 0 and less than 1")
        self._prices = dict(prices)
        self._token = token
        self._jitter = jitter
        self._random = source or random.Random()  # noqa: S311 - spreads prices, keeps no secret

    async def price(self, intent: OpenIntent) -> Offer | None:
        """Return the offer for the intent's type."""
        price = self._prices.get(intent.intent_type)
        if price is None:
            return None
        spread = self._random.uniform(-self._jitter, self._jitter) if self._jitter else 0.0
        return Offer(price=max(0, round(price * (1 + spread))), token=self._token)
