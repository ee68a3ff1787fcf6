"""Cells: one actor at run time.

==========  ===============================================================
kind        what the actor's class says of itself, checked
idle        idle timeouts
tracing     what is told to those who follow actors
life        what telemetry is told
event       what debug functions see
report      crashes, as text
instrument  what debug calls have set up at the actor
bonds       links, monitors, exit signals, the order of death
cell        how the actor starts, takes turns and ends
async_cell  the same, where handlers are coroutines
==========  ===============================================================
"""
