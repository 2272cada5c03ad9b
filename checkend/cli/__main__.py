"""``python -m checkend.cli``: the ``checkend`` command where no console script is installed."""

from checkend.cli import main

main()
