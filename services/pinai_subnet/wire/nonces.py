"""Which nonces each signer has used lately: what makes a captured request useless. Time comes in as an argument."""

from collections import Counter, OrderedDict

from pinai_subnet.protocol.errors import Exhausted, Unauthenticated


class NonceCache:
    """Remembers (signer, nonce) for `expiry_seconds`, in order of arrival, at most `capacity` of them.

    A full cache refuses instead of forgetting: forgetting would let the oldest requests be replayed. One signer may
    fill half of it, so that it does not shut out the others (known defect A12).
    """

    def __init__(self, *, expiry_seconds: float, capacity: int) -> None:
        """Start empty."""
        self._expiry_seconds = expiry_seconds
        self._capacity = capacity
        self._seen: OrderedDict[tuple[str, str], float] = OrderedDict()
        self._held: Counter[str] = Counter()

    def __len__(self) -> int:
        """Return how many nonces are remembered."""
        return len(self._seen)

    def use(self, signer: str, nonce: str, now: float) -> None:
        """Record a nonce; raise SN-N306 if this signer has used it, SN-N307 if cache or signer's half is full.

        Call it only once the signature is proven, so that nobody burns another signer's nonces.
        """
        while self._seen and next(iter(self._seen.values())) + self._expiry_seconds <= now:
            (forgotten, _), _ = self._seen.popitem(last=False)
            self._held[forgotten] -= 1
            if not self._held[forgotten]:
                del self._held[forgotten]
        key = (signer, nonce)
        if key in self._seen:
            raise Unauthenticated(
                "SN-N306",
                f"nonce {nonce} of {signer} was used before; every request needs a new one",
            )
        if len(self._seen) >= self._capacity:
            raise Exhausted(
                "SN-N307", f"{self._capacity} nonces are remembered already; retry in a few seconds"
            )
        if self._held[signer] >= max(1, self._capacity // 2):
            raise Exhausted(
                "SN-N307",
                f"{self._held[signer]} nonces of {signer} are remembered already; retry in a few seconds",
            )
        self._seen[key] = now
        self._held[signer] += 1
