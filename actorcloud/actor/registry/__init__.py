"""Registries: actors found by key. Its files are imported one by one."""
