"""Catalogue of event types: who has to do with them, and what a change would break."""
