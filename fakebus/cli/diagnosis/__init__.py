"""What `fakebus doctor` looks at, one module for each part of the way to the records."""
