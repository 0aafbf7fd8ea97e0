"""Whether a fixture set still fits what services, registries and buses really have."""
