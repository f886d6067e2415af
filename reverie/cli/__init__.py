"""The command line: each command parses its options and calls the library."""

from reverie.cli.command_line import main as main
