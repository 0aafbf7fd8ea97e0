"""Who may do what: ACLs, credentials, quotas and delegation tokens."""
