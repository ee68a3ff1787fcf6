"""Cells: one actor at run time.

==========  ===============================================================
kind        what the actor's class says of itself, checked
idle        idle timeouts
tracing     what is told to those who follow actors
life        what telemetry is told
event       what debug functions see
report      crashes, as text
instrument  what debug calls have set up at the actor
death       what happens at once when an actor dies, in which order
bonds       links, monitors, and what signals do
ending      how the actor ends: in order or by a crash; what it owes
handler     handlers of the messages that are not the user's
cell        how the actor starts and takes turns
async_cell  the same, where handlers are coroutines
==========  ===============================================================
"""
