"""The benchmarks by name, and what each gives back."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Literal

Benchmark = Callable[[], "Iterable[Figure]"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One measured number beside the peer's."""

    name: str
    #: The median of our samples.
    ours: float
    #: The median of the peer's; None where nothing is like it.
    peer: float | None
    unit: str
    better: Literal["higher", "lower"]
    #: What the peer is.
    against: str
    #: The 99th percentile of our samples, where they are single operations.
    ours_p99: float | None = None
    peer_p99: float | None = None

    @property
    def ratio(self) -> float | None:
        """Ours divided by the peer's."""
        return self.ours / self.peer if self.peer else None

    def as_json(self) -> str:
        """Return one line of JSON."""
        fields = asdict(self)
        first = {key: fields.pop(key) for key in ("name", "ours", "peer")}
        return json.dumps({**first, "ratio": self.ratio, **fields})

    def as_row(self) -> str:
        """Return one line for people."""
        peer = "-" if self.peer is None else f"{self.peer:,.2f}"
        ratio = "-" if self.ratio is None else f"{self.ratio:.2f}"
        return f"{self.name:<34} {self.ours:>12,.2f} {peer:>12} {ratio:>7}  {self.unit:<7} {self.against}"


#: Group -> its benchmarks, in the order of their definition.
BENCHMARKS: dict[str, list[Benchmark]] = {}

HEADING = f"{'name':<34} {'ours':>12} {'peer':>12} {'ratio':>7}  {'unit':<7} peer"


def benchmark(group: str) -> Callable[[Benchmark], Benchmark]:
    """Register the decorated function in `group`."""

    def register(function: Benchmark) -> Benchmark:
        BENCHMARKS.setdefault(group, []).append(function)
        return function

    return register
