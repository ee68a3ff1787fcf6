"""Tasks: actors that run one function. Import the files; `actorcloud.actor` offers the classes."""
