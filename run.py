"""The command line of saticl: `python run.py --help`."""

from saticl.cli import main

if __name__ == "__main__":
    main()
