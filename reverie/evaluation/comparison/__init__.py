"""Compare methods over tasks and seeds: curves in; numbers, figures, tables and a page out."""
