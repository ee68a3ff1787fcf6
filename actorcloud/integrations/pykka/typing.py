"""Types for proxies; see `pykka.typing`, and `actorcloud.actor.TypedProxy` for one that finds misspelt names."""

from __future__ import annotations

from actorcloud.actor import proxy_field, proxy_method
from actorcloud.integrations.pykka.actor import ThreadingActor

__all__ = ["ActorMemberMixin", "proxy_field", "proxy_method"]


class ActorMemberMixin:
    """A base of a class that types a proxy: the methods that every actor has."""

    stop = proxy_method(ThreadingActor.stop)
    on_start = proxy_method(ThreadingActor.on_start)
    on_stop = proxy_method(ThreadingActor.on_stop)
    on_failure = proxy_method(ThreadingActor.on_failure)
    on_receive = proxy_method(ThreadingActor.on_receive)
