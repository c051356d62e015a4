"""What a person can do, each thing written once, for every page, route and command."""
