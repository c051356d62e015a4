"""What answers of the API look like, which commands print as JSON, too."""
