"""A plugin for Tutor: ``tutor plugins enable fakebus``."""
