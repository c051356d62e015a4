"""The API of Pipedrive, as a destination to publish to."""
