"""Arguments and memory: what any floor may use. Imports ``errors`` only."""
