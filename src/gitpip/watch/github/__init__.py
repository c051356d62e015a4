"""The parts of GitHub's API that concern gists."""
