"""Records of topics as streams: of events, of lines, and of MessagePack, without a consumer."""
