"""Compaction: of every key the newest record stays."""
