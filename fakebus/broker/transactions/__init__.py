"""Transactions: what the coordinator of transactional ids knows and does."""
