"""Generated events: from hints, schemas and examples to lines like those of a file."""
