"""Signals that stop a run. Finished steps are saved at once.

Python runs the handler of a signal only when the main thread comes back from C code. A compilation
may keep the thread there for minutes. So the interpreter writes the number of every signal into a
pipe, and a thread reads the pipe. No exception is thrown into running code. Code at a good place to
end calls `Stop.check`.
"""

import logging
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from metaplast.settings.names import MARK_OF_INTERRUPTED

log = logging.getLogger(__name__)
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)
PATIENCE = 3.0
"""Seconds that the main thread has after the save to come to a good place to end."""


class Interrupted(RuntimeError):
    """A signal stopped the run, and its finished steps are saved.

    run: the folder to resume; None: there is nothing to resume.
    number: the number of the signal.
    code: the exit code, 128 + the number of the signal (SIGINT 130, SIGTERM 143).
    """

    def __init__(self, run: Path | None, number: int) -> None:
        """Write the message.

        Args:
            run: the folder to resume; None: there is nothing to resume.
            number: the number of the signal.
        """
        self.run = run
        self.number = number
        self.code = 128 + number
        if run is None:
            super().__init__(
                f"interrupted by {signal.Signals(number).name}, outside of a run - start again, or "
                f"go on with a run that has begun: metaplast resume RUN_DIR"
            )
        else:
            super().__init__(
                f"interrupted: {run}, whose finished steps are saved - go on with: metaplast "
                f"resume {run}"
            )


class Stop:
    """The signals that came while a block ran.

    run: the folder to resume, or None.
    save: writes all finished steps. The first signal calls it.
    quiet: whether the process ends without a message, because its parent prints one.
    lives_on: whether the process outlives the run, as that of a notebook does.
    numbers: the signals, in their order.
    saved: set when all finished steps are on disk.
    left: set when the block was left.
    ending: held by the thread that ends the process.
    """

    def __init__(
        self,
        run: Path | None,
        save: Callable[[], Any] = lambda: None,
        quiet: bool = False,
        lives_on: bool = False,
    ) -> None:
        self.run = run
        self.save = save
        self.quiet = quiet
        self.lives_on = lives_on
        self.numbers: list[int] = []
        self.saved = threading.Event()
        self.left = threading.Event()
        self.ending = threading.Lock()

    def check(self) -> None:
        """End the block where a signal came. Raises: Interrupted."""
        if self.numbers:
            self.saved.wait()
            raise Interrupted(self.run, self.numbers[0])

    @contextmanager
    def saving(self, save: Callable[[], Any]) -> Iterator[None]:
        """Let the first signal call another function while a block runs.

        Args:
            save: writes all finished steps.
        """
        earlier = self.save
        self.save = save
        try:
            yield
        finally:
            self.save = earlier


@contextmanager
def stoppable(
    run: Path | None,
    save: Callable[[], Any],
    patience: float = PATIENCE,
    lives_on: bool = False,
) -> Iterator[Stop]:
    """Let signals stop a block.

    The first signal calls `save` in a new thread. Then the main thread has `patience` seconds to
    leave the block, by `Stop.check` or at its end. Otherwise the process ends with the message and
    the code of Interrupted. A second SIGINT ends the process at once. Of nested blocks, the
    innermost counts. Off the main thread no handler can be set, so no signal stops a block there.

    The process of a notebook lives on: no signal ends it, and a second SIGINT throws
    KeyboardInterrupt into the block.

    Args:
        run: the folder to resume, or None.
        save: writes all finished steps.
        patience: seconds after the save.
        lives_on: whether the process outlives the block.
    """
    stop = Stop(run, save, lives_on=lives_on)
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    handlers = {}
    for number in SIGNALS:
        handlers[number] = signal.getsignal(number)
    listener = listen(stop, patience)
    try:
        yield stop
        stop.check()  # a signal may come after the last good place to end
    finally:
        stop.left.set()
        signal.set_wakeup_fd(listener.earlier_wakeup)
        for number, handler in handlers.items():
            signal.signal(number, handler)
        os.close(listener.writer)  # the listener reads the end of the pipe


@contextmanager
def held() -> Iterator[None]:
    """Hold signals back while a block runs.

    A process that starts in the block holds them too, until it calls `released`.
    """
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def released() -> None:
    """Let signals that were held back reach this process."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)


class Listener(NamedTuple):
    """A thread that listens to signals.

    earlier_wakeup: the wake-up descriptor of the process before.
    writer: the descriptor of the pipe into which signals are written.
    """

    earlier_wakeup: int
    writer: int


def listen(stop: Stop, patience: float) -> Listener:
    """Listen to signals from now on, without an end.

    Args:
        stop: takes the signals.
        patience: seconds after the save.
    """
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    for number in SIGNALS:
        signal.signal(number, lambda *_: None)
    if stop.lives_on:
        signal.signal(signal.SIGINT, _from_the_second_on())
    earlier_wakeup = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    threading.Thread(target=_listen, args=(stop, reader, patience), daemon=True).start()
    return Listener(earlier_wakeup, writer)


def _from_the_second_on() -> Callable[..., None]:
    """A handler of SIGINT that throws KeyboardInterrupt from the second signal on."""
    signals = []

    def handle(number: int, frame: Any) -> None:
        signals.append(number)
        if len(signals) > 1:
            raise KeyboardInterrupt

    return handle


def _listen(stop: Stop, reader: int, patience: float) -> None:
    """Read the numbers of signals from the pipe until its other end is closed."""
    while byte := os.read(reader, 1):
        number = byte[0]
        if number not in SIGNALS:
            continue
        stop.numbers.append(number)
        if len(stop.numbers) == 1:
            threading.Thread(target=_end, args=(stop, patience), daemon=True).start()
        elif number == signal.SIGINT and not stop.lives_on:
            _exit(stop)
    os.close(reader)


def _end(stop: Stop, patience: float) -> None:
    """Save, and end the process where the block is not left in time."""
    try:
        stop.save()
    except Exception as error:
        # This thread must end the process whatever the save raises: a full disk, a damaged state.
        log.warning("the last finished step was not saved: %s", error)
    finally:
        if stop.run is not None and not stop.quiet:
            with suppress(OSError):  # a full disk must not hinder the end
                (stop.run / MARK_OF_INTERRUPTED).touch()
        stop.saved.set()
    if not stop.lives_on and not stop.left.wait(patience):
        _exit(stop)


def _exit(stop: Stop) -> None:
    """End the process with a message, within a second even where nobody reads the message.

    Two threads may call this. Only the first goes on.
    """
    stop.ending.acquire()
    end = Interrupted(stop.run, stop.numbers[0])
    show_cursor = "\x1b[?25h" if os.isatty(2) else ""  # a progress bar may have hidden it
    message = "" if stop.quiet else f"{show_cursor}error: {end}\n"
    speaker = threading.Thread(target=_say, args=(message,), daemon=True)
    speaker.start()
    speaker.join(1.0)
    os._exit(end.code)


def _say(text: str) -> None:
    with suppress(OSError):
        os.write(2, text.encode(errors="replace"))
