"""Refs: all that one actor knows of another.

===========  ========================================================
request      what the types of messages say to a type checker
watcher      who outside actors watches one
view         an actor's inbox and end, as Pykka's programs see them
footprint    an actor's memory
info         facts about an actor
proxy        methods as asks, attributes as futures
ref          refs by identity; `deliver` and `signal` are the primitives
named_ref    refs by name, found at every send
alias        addresses that can be taken back
typed_proxy  proxies that a type checker knows
===========  ========================================================
"""
