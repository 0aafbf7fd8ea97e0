"""What tests of services use."""
