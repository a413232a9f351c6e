"""Runs kdsearch from a bare checkout: ``python cli.py launch metapruning.yaml``."""

from kdsearch.commands import main

if __name__ == "__main__":  # a worker process imports this file again
    main()
