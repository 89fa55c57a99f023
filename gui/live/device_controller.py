"""Between the device box and the sound system: lists, remembers, and says what is to be opened."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from PyQt6.QtCore import QObject, pyqtSignal

from gui.live.device_box import DeviceBox
from gui.live.device_hints import failed_hint, no_device_hint
from gui.live.device_state import (
    LATENCIES,
    WORDS,
    Option,
    Wanted,
    block_options,
    chosen_devices,
    device_choice,
    device_options,
    host_api_options,
    keyed,
    kilohertz,
    rate_options,
)
from gui.memory import Memory
from gui.tasks import Tasks
from realtime.live.clock_device import NAME as SILENT
from realtime.live.device import DeviceChoice, DeviceError
from realtime.live.device_list import ListedDevice, fetch_devices
from realtime.live.device_search import Side

SECTION = "devices"
LATENCY_OPTIONS = [Option(name.capitalize(), name) for name in LATENCIES]


class DeviceController(QObject):
    """Keeps what is wanted in the memory's section "devices", by name; a device that is away is told, never replaced.

    Args:
        say: shows a note; complain: shows an error.
    """

    changed = pyqtSignal()  # what `choice`, `allow_feedback` or `self_test` say

    def __init__(
        self,
        box: DeviceBox,
        tasks: Tasks,
        memory: Memory,
        say: Callable[[str], None],
        complain: Callable[[str], None],
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._box, self._tasks, self._memory = box, tasks, memory
        self._say, self._complain = say, complain
        self._wanted = Wanted.from_memory(memory.read(SECTION))
        self._devices: tuple[ListedDevice, ...] | None = None  # None: not known yet
        self._failure = ""
        self._clicked = self._asked = False
        self._unkept = ""
        self._connect()
        self._show()

    # -- for the page

    def refresh(self) -> None:
        """List the devices anew, in the background."""
        if self._asked:
            return
        self._asked = True
        self._box.show_busy(True)
        self._tasks.run(fetch_devices, self._listed, self._failed)

    @property
    def devices(self) -> tuple[ListedDevice, ...]:
        """As listed last; empty before."""
        return self._devices or ()

    @property
    def wanted(self) -> Wanted:
        """Everything that is chosen."""
        return self._wanted

    @property
    def allow_feedback(self) -> bool:
        """Whether the user listens on headphones."""
        return self._wanted.headphones

    @property
    def self_test(self) -> str | None:
        """The recording in the microphone's place; None: the microphone."""
        return self._wanted.self_test_file if self._wanted.self_test and self._wanted.self_test_file else None

    def choice(self) -> DeviceChoice:
        """What is to be opened.

        Raises: DeviceError, a sentence, where there is nothing to open.
        """
        if self._failure and self._wanted.input != SILENT:
            raise DeviceError(failed_hint(self._failure))
        return device_choice(self.devices, self._wanted, self._devices is not None)

    def choose_silent(self) -> None:
        """No sound card on either side."""
        self._want(self._wanted.with_device("input", SILENT))

    def choose_self_test(self, path: str | None) -> None:
        """A recording in the microphone's place, or the microphone again."""
        if path is None:
            self._want(replace(self._wanted, self_test=False))
        else:
            self._want(replace(self._wanted, self_test=True, self_test_file=path))

    # -- what the user does

    def _connect(self) -> None:
        box = self._box
        box.refresh_clicked.connect(self._refresh_clicked)
        box.host_api.chosen.connect(self._host_api_chosen)
        box.input.chosen.connect(self._input_chosen)
        box.output.chosen.connect(self._output_chosen)
        box.rate.chosen.connect(self._rate_chosen)
        box.block.chosen.connect(self._block_chosen)
        box.latency.chosen.connect(self._latency_chosen)
        box.headphones.clicked.connect(self._headphones_clicked)
        box.self_test.clicked.connect(self._self_test_clicked)
        box.self_test_open.clicked.connect(self._ask_for_self_test)
        box.self_test_chosen.connect(self.choose_self_test)

    def _refresh_clicked(self) -> None:
        self._clicked = True
        self.refresh()

    def _host_api_chosen(self, api: str | None) -> None:
        self._want(self._wanted.with_host_api(api, self.devices))

    def _input_chosen(self, name: str | None) -> None:
        self._want(self._wanted.with_device("input", name))

    def _output_chosen(self, name: str | None) -> None:
        self._want(self._wanted.with_device("output", name))

    def _rate_chosen(self, rate: int | None) -> None:
        self._want(replace(self._wanted, rate=rate))

    def _block_chosen(self, frames: int) -> None:
        self._want(replace(self._wanted, block_frames=frames))

    def _latency_chosen(self, latency: str) -> None:
        self._want(replace(self._wanted, latency=latency))

    def _headphones_clicked(self, on: bool) -> None:
        self._want(replace(self._wanted, headphones=on))

    def _self_test_clicked(self, on: bool) -> None:
        if on and not self._wanted.self_test_file:
            self._show()  # nothing is on before there is a recording
            self._ask_for_self_test()
        else:
            self._want(replace(self._wanted, self_test=on))

    def _ask_for_self_test(self) -> None:
        last = self._wanted.self_test_file
        self._box.ask_for_self_test(str(Path(last).parent) if last else "")

    # -- what the sound system says

    def _listed(self, devices: tuple[ListedDevice, ...]) -> None:
        self._devices, self._failure = devices, ""
        self._answered()
        self._check_rate()
        self._tell_absent()
        if self._clicked:
            self._say(f"{len(devices)} sound devices" if len(devices) != 1 else "One sound device")
        self._clicked = False

    def _failed(self, error: Exception) -> None:
        self._devices, self._failure = None, str(error)
        self._answered()
        if self._clicked:
            self._complain(failed_hint(self._failure))
        self._clicked = False

    def _answered(self) -> None:
        self._asked = False
        self._box.show_busy(False)
        self._show()
        self.changed.emit()

    def _tell_absent(self) -> None:
        for side, what in WORDS.items():
            name = self._wanted.device(side)
            if name not in (None, SILENT) and name not in keyed(self.devices, side):
                self._say(f"The {what} “{name}” is absent: plug it in and press Refresh, or choose another one.")
                return

    def _check_rate(self) -> None:
        """A rate that the devices do not take gives way to their own, which is told."""
        rate = self._wanted.rate
        if rate is None or not chosen_devices(self.devices, self._wanted):
            return
        if rate not in [option.value for option in rate_options(self.devices, self._wanted)]:
            self._want(replace(self._wanted, rate=None))
            self._say(f"The devices do not both run at {kilohertz(rate)}: their own rate is used.")

    # -- inside

    def _want(self, wanted: Wanted) -> None:
        moved = (wanted.input, wanted.output) != (self._wanted.input, self._wanted.output)
        self._wanted = wanted
        if moved:
            self._check_rate()
        self._show()
        try:
            self._memory.write(SECTION, self._wanted.to_memory())
        except OSError as error:
            if str(error) != self._unkept:  # once
                self._unkept = str(error)
                self._complain(f"The devices cannot be remembered for the next start: {error}.")
        self.changed.emit()

    def _show(self) -> None:
        box, wanted, told = self._box, self._wanted, self._devices is not None
        box.show_options(box.host_api, host_api_options(self.devices, wanted.host_api), wanted.host_api)
        sides: tuple[Side, Side] = ("input", "output")
        for side in sides:
            options = device_options(self.devices, side, wanted, told)
            box.show_options(box.input if side == "input" else box.output, options, wanted.device(side))
        box.show_options(box.rate, rate_options(self.devices, wanted), wanted.rate)
        box.show_options(box.block, block_options(), wanted.block_frames)
        box.show_options(box.latency, LATENCY_OPTIONS, wanted.latency)
        box.headphones.setChecked(wanted.headphones)
        box.show_self_test(wanted.self_test, Path(wanted.self_test_file).name, wanted.self_test_file)
        box.show_hint(self._hint())

    def _hint(self) -> str:
        if self._failure:
            return failed_hint(self._failure)
        if self._devices == ():
            return no_device_hint()
        return ""
