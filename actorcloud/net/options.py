"""What a peer is told when it starts, checked at once; and the times that follow from one number."""

from __future__ import annotations

import math

import msgspec

from actorcloud.base.errors import ConfigError
from actorcloud.base.ids import PEER_NAME, Peer
from actorcloud.net.keys import KEY_BYTES, KeyPair
from actorcloud.net.link import LinkLimits

#: Long enough for a garbage-collected, swapping, over-booked machine; short enough to wait for.
NODE_TIMEOUT_DEFAULT = 15.0

#: Seconds a dialled connection may take from the first packet to the welcome.
ATTEMPT_TIMEOUT_DEFAULT = 5.0

#: Bytes of a join string's secret.
SECRET_BYTES = 16

#: Facts, and characters in each: they travel in the hello.
FACTS_LIMIT = 64
FACT_LIMIT_CHARS = 255

#: Seconds; shorter than the first, a tick would be less than a thread switch.
_SHORTEST, _LONGEST = 0.05, 86_400.0

ROLES = frozenset({"head", "node", "client"})


class Timing(msgspec.Struct, frozen=True):
    """All times of liveness, derived from `node_timeout` t (seconds).

    Fixed ticks as in Erlang's `net_ticktime`, not phi-accrual: it can be explained and tested.
    """

    node_timeout: float

    @property
    def tick(self) -> float:
        """t/15: a side that has sent nothing for so long sends an empty envelope."""
        return self.node_timeout / 15

    @property
    def suspect(self) -> float:
        """t/5: three missed ticks make a peer suspect."""
        return self.node_timeout / 5

    @property
    def probe(self) -> float:
        """t/7.5: so long may an old incarnation take to show that it still lives."""
        return self.node_timeout / 7.5

    @property
    def heartbeat_interval(self) -> float:
        """t/7.5: ZMTP's own heartbeat, which tests path and process but not Python."""
        return self.node_timeout / 7.5

    @property
    def heartbeat_timeout(self) -> float:
        """t/2.5: after so long ZMTP gives the connection up."""
        return self.node_timeout / 2.5

    @property
    def ack_delay(self) -> float:
        """A lone ack waits so long for something to ride on; at most 50 ms."""
        return min(0.05, self.node_timeout / 60)

    def lease(self, *, is_head: bool) -> float:
        """The peer stops at t; the head declares it down only at 4t/3, so that it has surely stopped."""
        return self.node_timeout * 4 / 3 if is_head else self.node_timeout


class ReactorOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Who this peer is and where it listens.

    Raises:
        ConfigError: when built with a wrong value; the message names the field, the value and the limit.
    """

    #: Kept over restarts; matches `base.ids.PEER_NAME`.
    name: str
    #: "head", "node" or "client".
    role: str
    #: Of this start of the process, from `base.ids.new_incarnation`.
    incarnation: int
    #: Seconds; the head's holds for all its peers.
    node_timeout: float = NODE_TIMEOUT_DEFAULT
    #: Endpoints to bind: `ipc:///path` and `tcp://host:port` (port `*`: any) on a head; at most one
    #: `tcp://host:port` on a node that waits for the head to dial it.
    listen: tuple[str, ...] = ()
    #: Needed for tcp.
    key_pair: KeyPair | None = None
    #: The head's public key, 32 bytes; needed on tcp by all but the head.
    head_key: bytes | None = None
    #: The join string's secret, 16 bytes: the head admits with it, the others enrol with it.
    secret: bytes | None = None
    #: What the others are told about us: versions, cpus, slots; at most 64 short strings.
    facts: dict[str, str] = {}
    limits: LinkLimits = LinkLimits()
    #: Seconds from the first packet of a dialled connection to the welcome.
    attempt_timeout: float = ATTEMPT_TIMEOUT_DEFAULT

    def __post_init__(self) -> None:
        if not PEER_NAME.fullmatch(self.name):
            raise ConfigError(
                f"name {self.name!r} is no peer name: a-z 0-9 . _ -, at most 64, not beginning with . _ -"
            )
        if self.role not in ROLES:
            raise ConfigError(f"role {self.role!r} is none of {', '.join(sorted(ROLES))}")
        if not 1 <= self.incarnation < 2**63:
            raise ConfigError(f"incarnation {self.incarnation} is not between 1 and 2**63 - 1")
        for field in ("node_timeout", "attempt_timeout"):
            seconds = getattr(self, field)
            if not (math.isfinite(seconds) and _SHORTEST <= seconds <= _LONGEST):
                raise ConfigError(f"{field} {seconds!r} is not between {_SHORTEST:g} and {_LONGEST:g} seconds")
        self._check_keys()
        self._check_facts()

    def _check_keys(self) -> None:
        if self.head_key is not None and len(self.head_key) != KEY_BYTES:
            raise ConfigError(f"head_key has {len(self.head_key)} bytes, not 32")
        if self.secret is not None and len(self.secret) != SECRET_BYTES:
            raise ConfigError(f"secret has {len(self.secret)} bytes, not 16")
        for endpoint in self.listen:
            if endpoint.startswith("tcp://"):
                if self.key_pair is None or (not self.is_head and self.head_key is None):
                    raise ConfigError(f"listen {endpoint!r}: tcp needs key_pair, and head_key unless this is the head")
            elif not endpoint.startswith("ipc:///") or not self.is_head:
                raise ConfigError(f"listen {endpoint!r}: a head binds ipc:///path or tcp://host:port, a node tcp only")
        if not self.is_head and len(self.listen) > 1:
            raise ConfigError(f"listen has {len(self.listen)} endpoints; a {self.role} waits for its head at one")

    def _check_facts(self) -> None:
        if len(self.facts) > FACTS_LIMIT:
            raise ConfigError(f"facts has {len(self.facts)} entries; the limit is {FACTS_LIMIT}")
        for key, value in self.facts.items():
            if max(len(key), len(value)) > FACT_LIMIT_CHARS:
                raise ConfigError(f"facts[{key[:40]!r}] is longer than {FACT_LIMIT_CHARS} characters")

    @property
    def is_head(self) -> bool:
        """Whether this peer lets others in."""
        return self.role == "head"

    @property
    def me(self) -> Peer:
        """This start of this process."""
        return Peer(self.name, self.incarnation)

    @property
    def timing(self) -> Timing:
        """The times that follow from `node_timeout`."""
        return Timing(self.node_timeout)
