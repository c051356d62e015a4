"""`python -m gitpip` is `gitpip`."""

from gitpip.cli.main import main

main()
