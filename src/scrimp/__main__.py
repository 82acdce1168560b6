"""`python -m scrimp` is the `scrimp` command."""

from scrimp.cli.main import main

if __name__ == "__main__":
    main()
