"""Sample events for every type: what happened at the university, in the order of time.

Every sample is data in the shape that ``produce_event`` and fixture files take. Times and
ids are ``$`` functions, so that yesterday's events stay yesterday's.
"""
