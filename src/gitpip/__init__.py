"""gitpip watches GitHub users for new public gists and publishes each file to Pipedrive."""
