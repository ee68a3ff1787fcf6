"""Maintenance: what is done to a store as a whole, mostly while no head has it.

===========  =======================================================
bulk         an engine read and written a thousand records at a time
migration    to the format of this release, at the opening
census       whether usage records are true
soundness    whether records make sense
export       a store as one file that no engine needs
renewal      a store that comes from a copy of another
replacement  a store put in the place of another, or of none
===========  =======================================================
"""
