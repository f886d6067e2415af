"""What each command does: a few lines that call the library and print. Everything heavy is imported inside them."""
