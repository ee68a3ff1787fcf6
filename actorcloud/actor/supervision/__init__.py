"""Supervisors: what they decide (pure), what they share, and their kinds."""
