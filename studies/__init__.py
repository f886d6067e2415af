"""Experiments that each answer one question of the field: `python -m studies NAME`, from the checkout.

A study is a folder. `run.py` trains and measures. `report.py` makes tables and figures from the numbers. `README.md`
has the answer, written by hand from `numbers.json` and `figures/`. To add a study, add the folder.

`run.py` has `study(out, size, on_progress, parts) -> numbers`, and may have `SIZES` and `PARTS`.
`report.py` has `tables(numbers) -> {name: Markdown}`, a table for each marked place of the README, and
`draw(out, numbers)`, which writes the figures that need nothing but numbers.
"""
