"""The actions of ``fakebus fixtures``, one file each."""
