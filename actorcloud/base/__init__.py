"""The ground: ids, exit reasons, job states, errors, clock, codec, config, telemetry and ports.

No thread, socket or file. Import its modules directly.
"""
