"""The messages of a proxy, for sending them by hand; see `pykka.messages`."""

from __future__ import annotations

from actorcloud.actor import ProxyCall, ProxyGetAttr, ProxySetAttr

__all__ = ["ProxyCall", "ProxyGetAttr", "ProxySetAttr"]
