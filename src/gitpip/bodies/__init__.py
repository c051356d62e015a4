"""The bodies of the API's answers, which commands print as JSON, too."""
