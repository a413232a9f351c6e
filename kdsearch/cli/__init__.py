"""What each command does, one file a subject; ``kdsearch.commands`` reads the command line."""
