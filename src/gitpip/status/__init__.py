"""How the service is doing: its problems as data, and what a person does about a pause."""
