"""Starting without the garbage collector, which finds nothing to collect while modules are imported."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def collector_paused() -> Iterator[None]:
    """A block in which the collector is off: starting up takes a tenth of a second less.

    What the block made and keeps (modules, models, routes) is left out of every later collection, too: it lives as
    long as the process, and looking through it would stop all threads for tens of milliseconds.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_on:
            gc.enable()
