"""Actors in processes of their own: their warden here, their host there, what crosses in between."""
