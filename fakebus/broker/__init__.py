"""The broker core: a plain asyncio library without sockets and SQL."""
