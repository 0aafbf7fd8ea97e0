"""The small shop of ``fakebus demo``: three services, each a program with an ordinary client."""
