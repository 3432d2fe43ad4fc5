"""What the settlement account can still pay for. Of the development RootLayer only: it stands for gas and balance."""

from pinai_subnet.protocol.errors import Exhausted


class Funds:
    """A number of batches that can be paid for, or no limit. Not durable: a new start has what is configured."""

    def __init__(self, batches: int | None) -> None:
        """None: everything can be paid for."""
        self.batches = batches

    @property
    def limited(self) -> bool:
        """Whether anything is counted at all."""
        return self.batches is not None

    def require(self, count: int) -> None:
        """Raise `Exhausted` SN-S045 where so many new batches cannot be paid for."""
        if self.batches is not None and count > self.batches:
            raise Exhausted(
                "SN-S045",
                f"insufficient funds: the settlement account can pay for {self.batches} batches, {count} wanted",
            )

    def spend(self, count: int) -> None:
        """Take the price of so many batches."""
        if self.batches is not None:
            self.batches = max(0, self.batches - count)

    def add(self, count: int) -> None:
        """Put in the price of so many batches."""
        if self.batches is not None:
            self.batches += count
