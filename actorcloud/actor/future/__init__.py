"""Futures: answers, waited for on a thread or awaited on a loop.

==========  =====================================
future      one answer
completion  several, in the order they are done
awaiting    on an asyncio loop
==========  =====================================
"""
