"""``python -m checkend.cli``: the ``checkend`` command without the console script."""

from checkend.cli import main

main()
