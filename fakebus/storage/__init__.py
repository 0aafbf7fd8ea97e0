"""Where batches and rows are kept."""
