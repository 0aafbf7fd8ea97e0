"""SQL over topics: each is a table of its records, and ``topic@latest`` the newest of each key."""
