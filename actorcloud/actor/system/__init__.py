"""The system: the actors of one process, and what is injected into them.

===========  ============================================================
dead_letter  messages to the dead, by actor
timers       the timer thread; `Timer`
names        what the system's actors are found under
farewell     how they end together
spawner      starts the processes of isolated actors
system       names, clock, random, dispatcher and what else is injected
===========  ============================================================
"""
