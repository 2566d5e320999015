"""The command line: parsing, printing and exit codes around functions that do the work."""
