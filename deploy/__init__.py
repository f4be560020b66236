"""How Inlet is run: as local processes and as containers."""
