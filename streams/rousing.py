"""Which Asleep states wake by what control records say: their last decisions rest on it."""

from collections.abc import Sequence

from supplytwin.streams.consume import Item, reraise_unless_defect
from supplytwin.streams.ports import State
from supplytwin.streams.store import Overlay, Store


def is_heard(overlay: Overlay[State], key: str) -> bool:
    """Whether a chain was decided under all that control records have said, if it rests on that."""
    told = overlay.fold.told(overlay.state(overlay.store.control))
    return key not in overlay.store.resting or told == overlay.heard


def outdated(store: Store[State], control: State) -> list[str]:
    """Those that were decided under something else than `control` says, sorted."""
    fold, states = store.fold, store.states
    return [key for key in sorted(store.dozing) if fold.outdated(states.peek(key), control)]


def outdated_by(store: Store[State], items: Sequence[Item]) -> list[str]:
    """Those that are by the control records of `items`, which are not folded yet: to be opened
    before, so that the first cut that knows these records decides about them, too.
    """
    if not store.dozing:
        return []
    fold = store.fold
    before = after = store.states.find(store.control) or fold.new(store.control)
    for item in items:
        if isinstance(item.result, Exception) or item.result.key != store.control:
            continue
        try:
            after = fold.step(after, fold.admit(after, item.result), store.now).state
        except BaseException as error:
            reraise_unless_defect(error)  # it will be refused, and tells nothing
    return [] if fold.told(after) == fold.told(before) else outdated(store, after)
