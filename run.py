"""The command line of saticl: `python run.py --help`."""

if __name__ == "__main__":
    # Imported in here: the processes that `prepare` starts read this file too, and need none of it.
    from saticl.cli import main

    main()
