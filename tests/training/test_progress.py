import io

import pytest
import tensorflow as tf

from tfmask.training import progress as progress_module
from tfmask.training.progress import Progress, format_time
from tfmask.training.tensorboard import SummaryWriter


class Terminal(io.StringIO):
    def isatty(self):
        return True


class Clock:
    """A clock that is moved by hand."""

    now = 100.0

    def perf_counter(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(progress_module, "time", clock)
    return clock


def test_line_says_step_time_left_speed_and_every_term(clock):
    shown = Progress(100, 4, stream=io.StringIO())
    shown.started(0)
    clock.now += 10
    assert shown.measure(20) == 8.0
    line = shown.line(20, {"lr": 0.02, "mask": 0.5})
    assert line == "step 20/100  ETA 40s  8 images/s  lr 0.02  mask 0.5"


def test_pauses_do_not_count(clock):
    shown = Progress(100, 4, stream=io.StringIO())
    shown.started(0)
    shown.pause()
    clock.now += 1000
    shown.started(10)
    clock.now += 5
    assert shown.measure(20) == 8.0


def test_terminal_line_is_redrawn_in_place_and_cut_to_the_width(clock, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    screen = Terminal()
    lines = []
    shown = Progress(10, 4, log=lines.append, stream=screen)
    shown.started(0)
    for step in (1, 2):
        clock.now += 1
        shown.refresh(step, {"mask": 0.123456789, "box_class": 1.0})
    drawn = screen.getvalue().split("\r\x1b[K")[1:]
    assert [text[:9] for text in drawn] == ["step 1/10", "step 2/10"]
    assert max(map(len, drawn)) <= 39
    shown.log("saved")
    assert lines == ["saved"]
    assert screen.getvalue().endswith("\r\x1b[K")


def test_nothing_is_redrawn_where_there_is_no_terminal():
    stream = io.StringIO()
    shown = Progress(10, 4, stream=stream)
    shown.refresh(1, {"mask": 1.0})
    shown.close()
    assert stream.getvalue() == ""


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(12.4, "12s"), (250, "4m10s"), (11100, "3h05m"), (93600, "1d02h")],
)
def test_time_left_is_short(seconds, text):
    assert format_time(seconds) == text


def test_summaries_are_what_tensorboard_reads(tmp_path):
    writer = SummaryWriter(tmp_path)
    writer.scalars(3, {"train/mask": 0.25})
    writer.image(4, "val/image_0", tf.zeros([5, 7, 3], tf.uint8).numpy())
    writer.close()
    (path,) = tmp_path.glob("events*")
    found = {}
    for record in tf.compat.v1.io.tf_record_iterator(str(path)):
        event = tf.compat.v1.Event.FromString(record)
        for value in event.summary.value:
            plugin = value.metadata.plugin_data.plugin_name
            found[value.tag] = (event.step, plugin, tf.make_ndarray(value.tensor))
    step, plugin, number = found["train/mask"]
    assert (step, plugin, float(number)) == (3, "scalars", 0.25)
    step, plugin, parts = found["val/image_0"]
    assert (step, plugin) == (4, "images")
    assert [int(part) for part in parts[:2]] == [7, 5]
    assert tf.io.decode_png(parts[2]).shape == (5, 7, 3)
