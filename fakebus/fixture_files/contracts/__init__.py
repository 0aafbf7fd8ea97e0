"""Contracts: what services are seen to produce and to accept, held against a shared set."""
