"""The ground: ids, exit reasons, job states, errors, clock, codec, config, telemetry and ports.

No thread, socket or file, but for what all need that start processes: `starting`, `lifeline`, `pipe`, `pipes`.
Import its modules directly.
"""
