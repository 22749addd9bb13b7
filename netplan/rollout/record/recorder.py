"""Where the events of a run go: to its journal, then to whoever watches."""

from __future__ import annotations

from netplan.rollout.record.events import Event, Observer, silent
from netplan.rollout.record.journal import ClusterState, Journal

ROOM = 1 << 16  # bytes of disk kept free for a journal, and for each node in it
ROOM_A_NODE = 1 << 13


class Recorder:
    """Events before :meth:`open` are kept, and told in their place: a run looks before it knows its transaction.

    ``unwritten``: why the journal could not be written, once it could not. ``unheard``: what the observer raised, which
    is told nothing more then: a run doesn't end because nobody can watch it any more.
    """

    def __init__(self, state: ClusterState, observer: Observer) -> None:
        self.observer = observer
        self.unwritten: OSError | None = None
        self.unheard: Exception | None = None
        self._state = state
        self._journal: Journal | None = None
        self._kept: list[Event] | None = None

    def keep(self) -> None:
        """Keep the events that follow until the run begins."""
        self._kept = []

    def start(self, transaction: str | None, nodes: int, first: Event) -> None:
        """Begin: the journal of a transaction (None: without one), the first event, then what was kept.

        Raises ProblemError when there is no room for the journal of so many nodes.
        """
        if transaction is not None:
            self._journal = self._state.journal(transaction, ROOM + ROOM_A_NODE * nodes)
        kept, self._kept = self._kept or [], None
        for event in (first, *kept):
            self.emit(event)

    def emit(self, event: Event) -> None:
        """Tell an event."""
        if self._kept is not None:
            self._kept.append(event)
            return
        if self._journal:
            try:
                self._journal.write(event.as_json())
            except OSError as error:  # its room was kept free; whatever it is, rolling back must still work
                self.unwritten = self.unwritten or error
        self.tell(event)

    def tell(self, event: Event) -> None:
        """Tell an event to whoever watches, and not to the journal. Nothing where events are kept."""
        if self._kept is not None:
            return
        try:
            self.observer(event)
        except Exception as error:  # noqa: BLE001  nothing is rolled back because a terminal is gone
            self.unheard, self.observer = error, silent

    @property
    def begun(self) -> bool:
        """Tell whether a journal is open, which wants an end."""
        return self._journal is not None

    def close(self) -> None:
        """End the journal."""
        if self._journal:
            self._journal.close()
            self._journal = None
