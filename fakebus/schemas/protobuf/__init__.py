"""Protocol Buffers: compiled by protoc, printed, compared and coded by descriptors."""
