"""The commands: each reads its options, calls an action or a query, and prints."""
