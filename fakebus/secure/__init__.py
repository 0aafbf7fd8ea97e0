"""A bus that clients have to log in to: certificates, users, ACLs, and what clients set."""
