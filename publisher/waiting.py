"""Waits for something at Kaggle to finish, and says what state it is in."""

from collections.abc import Callable
from typing import TypeVar

from publisher.client import Client
from train_offline.progress import clock_text

State = TypeVar("State")

SAY_AGAIN_S = 60.0


def wait_for(
    what: str,
    look: Callable[[], State],
    is_over: Callable[[State], bool],
    client: Client,
    *,
    quiet_end: bool = False,
) -> State:
    """Looks again and again until it is over; each new state is told, and the old one every minute.

    Args:
        what: for the lines that are told.
        look: asks for the state.
        is_over: whether a state is an end.
        client: for its clock, its patience and its way to tell.
        quiet_end: whether the end is not worth a line.

    Raises:
        KaggleError: it takes longer than the patience lasts.
    """
    began_s = told_s = client.clock.now_s()
    told: State | None = None
    while True:
        state = look()
        now_s = client.clock.now_s()
        if not (quiet_end and is_over(state)) and (state != told or now_s - told_s >= SAY_AGAIN_S):
            client.tell(f"{what}: {state}, {clock_text(now_s - began_s)}")
            told, told_s = state, now_s
        if is_over(state):
            return state
        if now_s - began_s >= client.patience.at_most_s:
            raise client.failed(f"{what}: still {state} after {clock_text(now_s - began_s)}; no longer waited for")
        client.clock.sleep(client.patience.every_s)
