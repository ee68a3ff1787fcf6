"""State machines: which event is next (pure), and the actor. Its files are imported one by one."""
