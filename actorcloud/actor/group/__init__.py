"""Groups: named multisets of actors that peers share. Its files are imported one by one."""
