"""Futures: answers, waited for on a thread or awaited on a loop.

==========  =====================================
timeout     how long is waited
reply       where an answer goes, and who owes it
future      one answer
completion  several, or the first of them
awaiting    on an asyncio loop
==========  =====================================
"""
