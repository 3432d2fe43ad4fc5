"""Token-bucket rate limits with a bounded number of callers. Pure: time is passed in, nothing is awaited."""

from collections import OrderedDict
from dataclasses import dataclass


@dataclass(slots=True)
class _Bucket:
    tokens: float
    filled_at: float


class RateLimiter:
    """Allows each key `burst` at once and `per_second` sustained; the least recently used key is forgotten first.

    A forgotten key starts again with a full burst, so memory is bounded and no caller can lock another one out.
    """

    def __init__(self, *, per_second: float, burst: float, max_keys: int = 10_000) -> None:
        """Refill `per_second` tokens a second up to `burst`, for at most `max_keys` keys."""
        if per_second <= 0 or burst <= 0 or max_keys <= 0:
            raise ValueError("per_second, burst and max_keys must be positive")
        self._per_second = per_second
        self._burst = burst
        self._max_keys = max_keys
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def admit(self, key: str, *, now: float, cost: float = 1.0) -> bool:
        """Take `cost` tokens of this key if it has them; `now` is monotonic seconds."""
        bucket = self._refilled(key, now)
        if bucket.tokens + 1e-9 < cost:
            return False
        bucket.tokens -= cost
        return True

    def retry_after_seconds(self, key: str, *, now: float, cost: float = 1.0) -> float:
        """Return how long this key must wait for `cost` tokens; infinite when the cost exceeds the burst."""
        if cost > self._burst:
            return float("inf")
        bucket = self._buckets.get(key)
        tokens = self._burst if bucket is None else self._tokens(bucket, now)
        return max(0.0, (cost - tokens) / self._per_second)

    def _tokens(self, bucket: _Bucket, now: float) -> float:
        passed = max(0.0, now - bucket.filled_at)
        return min(self._burst, bucket.tokens + passed * self._per_second)

    def _refilled(self, key: str, now: float) -> _Bucket:
        bucket = self._buckets.get(key)
        if bucket is None:
            if len(self._buckets) >= self._max_keys:
                self._buckets.popitem(last=False)
            bucket = self._buckets[key] = _Bucket(self._burst, now)
            return bucket
        self._buckets.move_to_end(key)
        bucket.tokens = self._tokens(bucket, now)
        bucket.filled_at = max(now, bucket.filled_at)
        return bucket
