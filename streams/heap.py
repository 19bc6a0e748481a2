"""Python's cyclic garbage collector, kept out of the loop.

States are trees of immutable values without cycles: reference counts free them. The collector would
walk all of them again and again, and costs a quarter of the worker's time. So a worker runs without
it: after each batch what the batch has made is looked at once, and then never again.
"""

import gc


def take_over() -> None:
    """From now on the collector runs when `settle` says, and only then."""
    gc.collect()
    gc.freeze()
    gc.disable()


def settle() -> None:
    """Free the cycles among what was made since the last time; what is alive is not walked again.

    Does nothing unless `take_over` was called.
    """
    if not gc.isenabled():
        gc.collect(0)
        gc.freeze()
