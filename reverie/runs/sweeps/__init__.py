"""Sweeps: many runs in one folder, as children of one process or of a cluster."""
