"""The bus's own questions and switches, as JSON under ``/_fakebus/v1``."""
