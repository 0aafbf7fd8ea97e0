"""Why a consumer group is stuck: a list of causes, each with its evidence and remedy."""
