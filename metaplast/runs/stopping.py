"""Signals that stop a run: what is finished is saved at once, also while a compilation holds the
main thread.

Python runs a signal's handler only when the main thread comes back from C code, and a compilation
may take minutes. So the interpreter writes the number of every signal into a pipe as it arrives,
and a thread listens at its other end. No
exception is thrown into running code: whoever is at a good place to end asks `Stop.check`.
"""

import logging
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)
PATIENCE = 3.0  # seconds the main thread is given, after the save, to come to a good place to end


class Interrupted(RuntimeError):
    """Stopped by a signal after saving; `code` is 128 + its number (SIGINT 130, SIGTERM 143). run:
    None where there is nothing to go on with."""

    def __init__(self, run: Path | None, number: int) -> None:
        self.code = 128 + number
        if run is None:
            super().__init__(
                f"interrupted by {signal.Signals(number).name} - expected to run to its end - "
                f"start again"
            )
        else:
            super().__init__(
                f"interrupted: {run} - expected to run to its end - go on with: metaplast resume "
                f"{run}"
            )


class Stop:
    """The signals of a block.

    numbers: the signals that came, in their order.
    saved: everything that was finished is on disk.
    left: the block was left.
    ending: held by the thread that ends the process.
    quiet: the process ends without a word (its parent has the last one).
    """

    def __init__(self, run: Path | None, quiet: bool = False) -> None:
        self.run, self.quiet = run, quiet
        self.numbers: list[int] = []
        self.saved, self.left = threading.Event(), threading.Event()
        self.ending = threading.Lock()

    def check(self) -> None:
        """Raises: Interrupted where a signal came."""
        if self.numbers:
            self.saved.wait()
            raise Interrupted(self.run, self.numbers[0])


@contextmanager
def stoppable(
    run: Path | None, save: Callable[[], Any], patience: float = PATIENCE
) -> Iterator[Stop]:
    """Within, the first signal calls `save` in a thread of its own. Then the main thread has
    `patience` seconds to leave the block (by `Stop.check`, or because it is done); else the process
    ends with the words and the code of Interrupted. A second SIGINT ends the process at once.
    Blocks may lie in each
    other: the innermost one counts.

    Off the main thread, where no handler can be set, nothing is listened to.
    """
    stop = Stop(run)
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.getsignal(number) for number in SIGNALS}
    wakeup, writer = listen(stop, save, patience)
    try:
        yield stop
        stop.check()  # a signal after the last good place to end
    finally:
        stop.left.set()
        signal.set_wakeup_fd(wakeup)
        for number, handler in before.items():
            signal.signal(number, handler)
        os.close(writer)  # the listener reads the end of the pipe


@contextmanager
def held() -> Iterator[None]:
    """Within, signals wait; a process that is started within holds them until it calls
    `released`.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def released() -> None:
    """Signals that were held reach this process from now on."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)


def listen(stop: Stop, save: Callable[[], Any], patience: float) -> tuple[int, int]:
    """From now on, without an end: see `stoppable`. (the wake-up descriptor before, the one that is
    written to)
    """
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    for number in SIGNALS:
        signal.signal(number, lambda *_: None)
    wakeup = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    threading.Thread(target=_listen, args=(stop, reader, save, patience), daemon=True).start()
    return wakeup, writer


def _listen(stop: Stop, reader: int, save: Callable[[], Any], patience: float) -> None:
    while byte := os.read(reader, 1):
        if (number := byte[0]) not in SIGNALS:
            continue
        stop.numbers.append(number)
        if len(stop.numbers) == 1:
            threading.Thread(target=_end, args=(stop, save, patience), daemon=True).start()
        elif number == signal.SIGINT:
            _exit(stop)
    os.close(reader)


def _end(stop: Stop, save: Callable[[], Any], patience: float) -> None:
    try:
        save()
    except Exception as error:
        log.warning("the last finished step was not saved: %s", error)
    finally:
        stop.saved.set()
    if not stop.left.wait(patience):
        _exit(stop)


def _exit(stop: Stop) -> None:
    """End the process, whether or not there is anybody left to read why. Two threads may want to:
    one says it.
    """
    stop.ending.acquire()
    end = Interrupted(stop.run, stop.numbers[0])
    cursor = "\x1b[?25h" if os.isatty(2) else ""  # a progress bar may have hidden it
    speaker = threading.Thread(
        target=_say, args=("" if stop.quiet else f"{cursor}error: {end}\n",), daemon=True
    )
    speaker.start()
    speaker.join(1.0)
    os._exit(end.code)


def _say(text: str) -> None:
    with suppress(OSError):
        os.write(2, text.encode(errors="replace"))
