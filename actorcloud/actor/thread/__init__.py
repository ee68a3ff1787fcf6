"""Threads: what the running one does, and for which actor; how it waits.

=======  ============================================================
latch    the one way to block
context  what the running thread does; the one lock; the fence
ports    where actors run and how threads wait: Protocols
report   what every thread does, for a program that stands still
=======  ============================================================
"""
