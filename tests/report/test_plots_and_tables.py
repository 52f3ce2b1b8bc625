from __future__ import annotations

import dataclasses
import hashlib
import subprocess
import sys
from xml.dom import minidom

import matplotlib
import numpy as np
import pytest
from matplotlib.colors import to_hex
from PIL import Image

from fastprune.errors import OutputError
from fastprune.report.plots.drawing import draw, figures
from fastprune.report.plots.palette import HUES, colours
from fastprune.report.plots.samples import as_pixels
from fastprune.report.plots.style import FLAGGED
from fastprune.report.text.tables import drops_table, order_lines, steps_table
from fastprune.result import SweepResult
from fastprune.results.counts import Counts
from fastprune.results.record import Samples, SetResult
from tests.helpers.results import network_info

ORDER = [3, 0, 5, 1, 4, 2]
ACTIVATIONS = [0.0, 0.25, 3.5, 0.0, 1.5, 0.125]
DROPS = (10.0, 2.0, 3.0, 99.0)
"""Crossed at 5, at 4, at 4 and never."""
NAMES = {"accuracy_asr", "activations", "goodnet", "detector", "samples"}


def counts(images, hits, flagged, goodnet=None):
    columns = (hits, hits if goodnet is None else goodnet, flagged, [0] * len(hits))
    return Counts(images, *(np.array(column, np.int64) for column in columns))


def part(name, kind, of, n_samples=3, shape=(6, 5, 3), top=255.0):
    steps = len(of.hits)
    pixels = np.linspace(0, top, n_samples * int(np.prod(shape)), dtype=np.float32)
    classes = np.tile(np.arange(n_samples), (steps, 1))
    classes[4:, 1:2] = 9
    images = pixels.reshape(n_samples, *shape)
    return SetResult(name, kind, of, Samples(images, np.arange(n_samples), classes))


@pytest.fixture(scope="module")
def result():
    figures_of = {
        "valid": counts(200, [190, 190, 190, 189, 184, 160, 100], [0, 0, 1, 2, 9, 33, 99]),
        "test": counts(
            400,
            [380, 380, 379, 378, 370, 333, 201],
            [0, 1, 2, 4, 11, 55, 203],
            [380, 379, 378, 377, 368, 330, 199],
        ),
        "bd_valid": counts(200, [200, 200, 200, 199, 160, 50, 2], [0, 0, 0, 1, 40, 150, 198]),
        "bd_test": counts(400, [400, 400, 399, 398, 321, 99, 3], [0, 0, 1, 2, 79, 301, 397]),
    }
    sets = [
        part(name, "backdoored" if name.startswith("bd") else "clean", of)
        for name, of in figures_of.items()
    ]
    return SweepResult(
        network=network_info(n_classes=9),
        order_name="ascending",
        order=np.array(ORDER),
        activations=np.array(ACTIVATIONS),
        valid="valid",
        sets={one.name: one for one in sets},
        drops=DROPS,
        drop_kind="points",
    )


def made(result, n_channels=6, clean=1, backdoored=0, drops=(2.0, 10.0), least=0, **changes):
    """Return a sweep of any size in which accuracy falls evenly from 1000 hits to `least`."""
    hits = np.linspace(1000, least, n_channels + 1).astype(int)
    names = [("clean", f"c{index}") for index in range(clean)]
    names += [("backdoored", f"b{index}") for index in range(backdoored)]
    sets = {name: part(name, kind, counts(1000, hits, 1000 - hits)) for kind, name in names}
    order = np.arange(n_channels)[::-1]
    return dataclasses.replace(
        result, order=order, activations=order * 1.0, valid="c0", sets=sets, drops=drops, **changes
    )


def rows(text, block, first):
    """Return the cells of the lines of a block (0, 1, …) whose first cell is `first`."""
    lines = text.split("\n\n")[1 + block].splitlines()
    return [line.split() for line in lines if line.split()[:1] == [first]]


def lines_of(axes):
    return {line.get_label(): line for line in axes.get_lines()}


def texts_of(axes):
    return [text.get_text() for text in axes.texts]


def test_drops_table_has_each_figure_in_its_row_and_column(result):
    text = drops_table(result)
    assert rows(text, 0, "B") == [["B", "0", "95.00", "95.00", "0.00", "95.00", "95.00", "0.00"]]
    assert rows(text, 0, "2") == [["2", "4", "92.00", "92.00", "4.50", "92.50", "92.00", "2.75"]]
    assert rows(text, 0, "10")[0][1:] == ["5", "80.00", "80.00", "16.50", "83.25", "82.50", "13.75"]
    assert rows(text, 1, "3") == [["3", "4", "80.00", "80.00", "20.00", "80.25", "80.25", "19.75"]]
    assert rows(text, 1, "99") == [["99", "never", "crossed", *"------"]]


def test_drops_table_goes_up_in_x_and_names_sets_and_units(result):
    text = drops_table(result)
    clean, backdoored = text.split("\n\n")[1:]
    assert [line.split()[0] for line in clean.splitlines()[3:]] == ["B", "2", "3", "10", "99"]
    assert "valid (200 images)" in clean
    assert "test (400 images)" in clean
    assert clean.splitlines()[2].split()[:2] == ["X", "n_pruned"]
    assert clean.splitlines()[2].count("acc B′  acc G  false alarm") == 2
    assert backdoored.splitlines()[2].count("detected") == 2
    assert "percentage points" in text
    relative = dataclasses.replace(result, drop_kind="relative")
    assert "percent of B's" in drops_table(relative)


def test_columns_of_a_block_are_aligned(result):
    for text in (drops_table(result), steps_table(result)):
        for block in text.split("\n\n")[1:]:
            assert len({len(line) for line in block.splitlines()[1:]}) == 1


def test_tables_fit_a_terminal_with_one_set_and_with_eight(result):
    for sweep in (result, made(result, clean=4, backdoored=4), made(result, 512)):
        for text in (drops_table(sweep), steps_table(sweep), order_lines(sweep)):
            assert max(map(len, text.splitlines())) <= 100
    wide = drops_table(made(result, clean=4, backdoored=4))
    assert [wide.count(f" {name} (") for name in made(result, clean=4, backdoored=4).sets] == [
        1
    ] * 8


def test_steps_table_has_every_step_with_its_channel_activation_and_crossing(result):
    text = steps_table(result)
    blocks = text.split("\n\n")[1:]
    assert len(blocks[0].splitlines()) == 3 + 7
    assert rows(text, 0, "0") == [["0", "95.00", "95.00", "0.00", "95.00", "95.00", "0.00"]]
    assert rows(text, 0, "3")[0][:4] == ["3", "5", "0.125", "94.50"]
    crossing = ["4", "1", "0.25", "2,", "3", "80.00", "80.00", "20.00", "80.25", "80.25", "19.75"]
    assert rows(text, 1, "4") == [crossing]
    assert rows(text, 0, "5")[0][:4] == ["5", "4", "1.5", "10"]


def test_robust_is_explained_under_its_table(result):
    assert "robust" not in drops_table(result)
    counts_of = result.sets["bd_test"].counts
    known = {"true_hits": counts_of.flagged, "goodnet_true_hits": counts_of.flagged // 2}
    robust = dataclasses.replace(counts_of, **known, other_hits=counts_of.hits, others=400)
    sets = {**result.sets, "bd_test": dataclasses.replace(result.sets["bd_test"], counts=robust)}
    told = drops_table(dataclasses.replace(result, sets=sets))
    assert told.splitlines()[-1] == (
        "robust: put in their true class, the one without the trigger, by B′ and by G"
    )
    assert max(map(len, told.splitlines())) <= 100


def test_two_lines_stand_before_the_tables(result):
    assert drops_table(result).split("\n\n")[0].splitlines() == [
        "small_net, ascending order: 6 channels of conv_a (weights zeroed)",
        "X: drop of clean accuracy on valid, percentage points",
    ]
    masked = dataclasses.replace(result.network, intervention="mask")
    assert "conv_a (output masked)" in drops_table(dataclasses.replace(result, network=masked))


def test_result_table_is_these_tables(result):
    assert result.table() == drops_table(result)
    assert result.table(every_step=True) == steps_table(result)


def test_order_lines_group_ties_and_keep_the_order(result):
    assert order_lines(result).splitlines()[1:] == ["3=0  0=0  5=0.125  1=0.25  4=1.5  2=3.5"]
    tied = dataclasses.replace(result, activations=np.array([0, 0, 7.25, 0, 0, 0.0]))
    assert order_lines(tied).splitlines()[1:] == ["5 channels at 0:  3  0  5  1  4", "2=7.25"]


@pytest.mark.slow
def test_a_hostile_name_reaches_neither_terminal_nor_svg(result, tmp_path):
    name = "a\x1b[2J\x00 $x_{$ <&> 中 \udcff"
    sweep = dataclasses.replace(result, network=dataclasses.replace(result.network, name=name))
    assert not {"\x1b", "\x00", "\udcff"} & set(drops_table(sweep) + order_lines(sweep))
    for path in draw(sweep, tmp_path):
        if path.suffix == ".svg":
            assert "$x_{$ <&> 中 ?" in "".join(
                node.firstChild.data
                for node in minidom.parse(str(path)).getElementsByTagName("text")
            )


@pytest.mark.parametrize("name", ["valid", "test", "bd_valid", "bd_test"])
def test_curves_hold_the_rates_of_both_networks_over_the_steps(result, name):
    axes = figures(result)["accuracy_asr"].axes[0]
    found = result.sets[name].counts
    repaired, goodnet = (lines_of(axes)[f"{name} {network}"] for network in ("B′", "G"))
    np.testing.assert_array_equal(repaired.get_xdata(), np.arange(7))
    np.testing.assert_array_equal(repaired.get_ydata(), found.hits / found.images)
    np.testing.assert_array_equal(goodnet.get_ydata(), found.goodnet_hits / found.images)
    assert repaired.get_linestyle() == "-"
    # Where both coincide the marks of G show on the line of B′.
    assert goodnet.get_linestyle() == "--"
    assert goodnet.get_marker() == ("s" if name.startswith("bd") else "o")
    assert goodnet.get_markerfacecolor() == "white"
    assert goodnet.get_zorder() == repaired.get_zorder()
    labels = list(lines_of(axes))
    assert max(labels.index(f"{one} B′") for one in result.sets) < labels.index("valid G")


def test_the_share_pruned_stands_above_the_steps(result):
    for name in ("accuracy_asr", "activations"):
        figure = figures(result)[name]
        figure.draw_without_rendering()
        (above,) = figure.axes[0].child_axes
        low, high = figure.axes[0].get_xlim()
        assert above.get_xlim() == (low / 6, high / 6)
        assert "50%" not in [label.get_text() for label in figure.axes[0].get_xticklabels()]
        assert "100%" in [label.get_text() for label in above.get_xticklabels()]


def test_marks_of_sets_that_coincide_stand_between_each_other(result):
    sweep = made(result, 60, clean=2, backdoored=2)
    lines = lines_of(figures(sweep)["accuracy_asr"].axes[0])
    marked = [lines[f"{name} G"].get_markevery() for name in sweep.sets]
    assert len({first for first, _ in marked}) == 4
    assert {period for _, period in marked} == {4}


def test_a_split_has_a_hue_and_a_set_one_colour_everywhere(result):
    tints = colours(result)
    shades = HUES["light"]
    assert (tints["valid"], tints["bd_valid"]) == shades[0]
    assert (tints["test"], tints["bd_test"]) == shades[1]
    lines = lines_of(figures(result)["accuracy_asr"].axes[0])
    for name, tint in tints.items():
        drawn = {to_hex(lines[f"{name} {network}"].get_color()) for network in ("B′", "G")}
        assert drawn == {tint.lower()}
    bars = figures(result)["goodnet"].axes[1].containers[0][0]
    assert to_hex(bars.get_facecolor()) == tints["bd_test"].lower()
    # A second backdoored set of a split, and one of none, have hues of their own.
    counted = result.sets["bd_test"].counts
    more = {name: part(name, "backdoored", counted) for name in ("x", "bd_test_b")}
    every = colours(dataclasses.replace(result, sets={**result.sets, **more}))
    assert len(set(every.values())) == 6
    assert {name: every[name] for name in tints} == tints
    assert (every["x"], every["bd_test_b"]) == (shades[2][1], shades[3][1])


@pytest.mark.slow
def test_colours_tell_the_sets_apart(result):
    lines = lines_of(figures(made(result, clean=4, backdoored=4))["accuracy_asr"].axes[0])
    assert len({to_hex(line.get_color()) for name, line in lines.items() if " G" in name}) == 8


def test_crossings_of_one_step_share_a_line_and_a_label(result):
    drawn = figures(result)
    curves, bars = drawn["accuracy_asr"].axes[0], drawn["activations"].axes[0]
    for axes, places in ((curves, [4, 5]), (bars, [4.5, 5.5])):
        drawn_at = [line.get_xdata() for line in axes.get_lines()]
        vertical = [at[0] for at in drawn_at if len(at) == 2 and at[0] == at[1]]
        assert vertical == pytest.approx(places)
        assert texts_of(axes) == ["X=2, 3 (4)", "X=10 (5)"]


def test_labels_of_near_crossings_do_not_touch(result):
    sweep = made(result, 512, drops=(2.0, 2.2, 2.4, 2.6, 30.0))
    figure = figures(sweep)["accuracy_asr"]
    figure.draw_without_rendering()
    # An annotation's extent covers its leader line too: the text itself is what may not touch.
    boxes = [matplotlib.text.Text.get_window_extent(text) for text in figure.axes[0].texts]
    assert len(boxes) == 5
    for index, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[index + 1 :])
        assert box.y1 < figure.texts[1].get_window_extent().y0


def test_a_long_flat_start_gets_a_second_panel(result):
    flat = np.array([190] * 5 + [100, 0])
    sweep = dataclasses.replace(
        result, sets={"valid": part("valid", "clean", counts(200, flat, 190 - flat))}
    )
    assert [axes.get_xlim() for axes in figures(sweep)["accuracy_asr"].axes] == [(0, 6), (4, 6)]
    assert len(figures(made(result))["accuracy_asr"].axes) == 1


def channels_under(axes):
    return [label.get_text() for label in axes.get_xticklabels(minor=True)]


def test_activations_show_the_order_and_the_dead(result):
    axes = figures(result)["activations"].axes[0]
    lines = lines_of(axes)
    live, dead = lines["live (4)"], lines["dead: mean 0 (2)"]
    assert list(zip(live.get_xdata(), live.get_ydata(), strict=True)) == [
        (3, 0.125), (4, 0.25), (5, 1.5), (6, 3.5),
    ]  # fmt: skip
    assert dead.get_xdata().tolist() == [1, 2]
    assert dead.get_marker() != live.get_marker()
    assert channels_under(axes) == list(map(str, ORDER))


@pytest.mark.slow
def test_activations_of_four_decades_take_a_log_axis_and_odd_ones_none(result):
    def axes_of(values):
        sweep = dataclasses.replace(result, activations=np.array(values))
        return figures(sweep)["activations"].axes[0]

    assert axes_of([0, 1e-3, 10, 1, 2, 3]).get_yscale() == "log"
    for values in ([0.0] * 6, [-1.0, 1e-3, 10, 1, 2, 3], [np.nan, np.inf, 1, 1, 1, 1]):
        assert axes_of(values).get_yscale() == "linear"
    assert "not a number (2)" in lines_of(axes_of([np.nan, np.inf, 1, 1, 1, 1]))


def test_512_channels_have_labels_that_fit(result):
    labels = channels_under(figures(made(result, 512))["activations"].axes[0])
    assert len(labels) == 64
    assert labels[:2] == ["511", "503"]


def test_bars_hold_g_at_each_drop_on_the_test_sets(result):
    clean, backdoored = figures(result)["goodnet"].axes
    accuracy, alarms = ([bar.get_height() for bar in bars] for bars in clean.containers)
    success, detected = ([bar.get_height() for bar in bars] for bars in backdoored.containers)
    assert accuracy == [380 / 400, 368 / 400, 368 / 400, 330 / 400]
    assert alarms == [0, 11 / 400, 11 / 400, 55 / 400]
    assert success == [1, 321 / 400, 321 / 400, 99 / 400]
    assert detected == [0, 79 / 400, 79 / 400, 301 / 400]
    ticks = [label.get_text() for label in clean.get_xticklabels()]
    assert ticks == ["B\n0 pruned", "X=2\n4 pruned", "X=3\n4 pruned", "X=10\n5 pruned", "X=99\n-"]
    assert "82.50" in texts_of(clean)
    assert texts_of(clean).count("never crossed") == 1
    assert clean.get_legend().get_title().get_text() == "test, 400 clean images"


def test_bars_take_the_validation_set_where_it_is_alone(result):
    sets = {name: result.sets[name] for name in ("valid", "bd_valid")}
    titles = [
        axes.get_legend().get_title().get_text()
        for axes in figures(dataclasses.replace(result, sets=sets))["goodnet"].axes
    ]
    assert titles == ["valid, 200 clean images", "bd_valid, 200 backdoored images"]


def test_detector_holds_detection_over_false_alarms(result):
    line = lines_of(figures(result)["detector"].axes[0])["bd_test"]
    np.testing.assert_array_equal(line.get_xdata(), result.sets["test"].counts.flagged_rate)
    np.testing.assert_array_equal(line.get_ydata(), result.sets["bd_test"].counts.flagged_rate)


def test_samples_say_the_classes_and_frame_the_flagged(result):
    axes = figures(result)["samples"].axes[0]
    assert len(axes.images) == 4 * 3
    said = texts_of(axes)
    assert said[2:11] == [
        "label 0", "B 0   B′ 0", "G 0",
        "label 1", "B 1   B′ 9", "G 9 flagged",
        "label 2", "B 2   B′ 2", "G 2",
    ]  # fmt: skip
    assert len(axes.patches) == 4
    assert {to_hex(patch.get_edgecolor()) for patch in axes.patches} == {FLAGGED.lower()}
    assert "X=10, 5 channels pruned" in figures(result)["samples"].texts[1].get_text()


def test_samples_without_a_crossing_or_without_images(result):
    sets = {"valid": part("valid", "clean", counts(200, [190] * 7, [0] * 7), n_samples=0)}
    figure = figures(dataclasses.replace(result, sets=sets))["samples"]
    assert "no drop is crossed" in figure.texts[1].get_text()
    assert "no samples" in texts_of(figure.axes[0])


def test_at_most_eight_samples_in_a_row(result):
    sets = {"valid": part("valid", "clean", result.sets["valid"].counts, n_samples=11)}
    assert len(figures(dataclasses.replace(result, sets=sets))["samples"].axes[0].images) == 8


@pytest.mark.parametrize(
    ("shape", "top", "expected"),
    [
        ((4, 4, 3), 255.0, (2, 4, 4, 3)),
        ((4, 4, 3), 1.0, (2, 4, 4, 3)),
        ((4, 4, 1), 255.0, (2, 4, 4)),
        ((4, 4, 2), 1.0, (2, 4, 4)),
        ((300, 200, 3), 255.0, (2, 100, 67, 3)),
    ],
)
def test_pixels_of_any_scale_and_number_of_channels(shape, top, expected):
    images = np.zeros((2, *shape), np.float32)
    images[1] = top
    pixels = as_pixels(images)
    assert pixels.shape == expected
    assert pixels[0].max() == 0
    np.testing.assert_allclose(pixels[1], 1)
    assert as_pixels(np.full((1, 2, 2, 3), 51, np.float32)).max() == pytest.approx(0.2)


def digests(paths):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


@pytest.fixture(scope="module")
def paths(result, tmp_path_factory):
    return draw(result, tmp_path_factory.mktemp("drawn"))


@pytest.mark.slow
def test_every_figure_is_a_png_and_an_svg(paths):
    assert {path.stem for path in paths} == NAMES
    assert len(paths) == 2 * len(NAMES)
    assert sorted(paths) == sorted(paths[0].parent.iterdir())
    for path in paths:
        if path.suffix == ".png":
            with Image.open(path) as image:
                image.load()
                assert image.width > 700
                assert "Software" not in image.info
        else:
            text = path.read_text()
            assert "<dc:date>" not in text
            assert "small_net, ascending order" in text


@pytest.mark.slow
def test_files_are_the_same_whenever_drawn_and_whatever_the_users_settings(result, paths, tmp_path):
    with matplotlib.rc_context({"font.size": 20, "svg.fonttype": "path", "axes.grid": True}):
        assert digests(result.plot(tmp_path)) == digests(paths)
        assert matplotlib.rcParams["font.size"] == 20


@pytest.mark.parametrize(
    "size",
    [
        {"n_channels": 1, "drops": ()},
        {"n_channels": 60, "clean": 4, "backdoored": 4, "drops": (1.0, 2.0, 2.5, 4.0, 30.0)},
        {"n_channels": 512, "clean": 1, "backdoored": 1},
        {"n_channels": 6, "least": 999, "drops": (2.0, 10.0)},
        {"n_channels": 6, "backdoored": 1, "drops": (0.0,)},
    ],
)
@pytest.mark.slow
def test_any_size_is_drawn(result, size):
    sweep = made(result, **size)
    drawn = figures(sweep)
    assert set(drawn) == (NAMES if size.get("backdoored") else NAMES - {"detector"})
    for figure in drawn.values():
        figure.draw_without_rendering()
    assert str(sweep.n_channels) in steps_table(sweep)


def test_a_place_that_cannot_be_written_is_said(result, tmp_path):
    (tmp_path / "accuracy_asr.png").mkdir()
    with pytest.raises(OutputError, match=r"accuracy_asr\.png"):
        draw(result, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["accuracy_asr.png"]


@pytest.mark.slow
def test_tables_load_no_matplotlib_and_plots_no_pyplot():
    code = (
        "import sys; import fastprune.report.text.tables, fastprune.report.plots.drawing as plots; "
        "assert not {'matplotlib', 'tensorflow', 'keras'} & set(sys.modules); "
        "plots.settings().__enter__(); "
        "from fastprune.report.plots.canvas import new_figure; new_figure(1, 1); "
        "assert 'matplotlib' in sys.modules and 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
