"""Mailboxes: an actor's mail and state, as others reach them.

=======  ==================================================
mail     the queues of messages
extra    what few actors have: a label, aliases
mailbox  both, and whether the actor is idle, busy or dead
=======  ==================================================
"""
