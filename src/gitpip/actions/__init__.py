"""The acts of people, each written once, for every page, route and command."""
