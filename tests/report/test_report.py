"""The report page: its numbers, its pictures, and how a browser shows it."""

import base64
import csv
import html
import json
import re

import cv2
import numpy as np
import pytest
from coco_sets import encode
from pycocotools import mask as mask_utils
from report import chromium

from tfmask.cli import main
from tfmask.config import DataConfig, load_config, to_dict
from tfmask.data.readers import load_dataset
from tfmask.data.synthetic.generate import write_dataset
from tfmask.evaluation.coco_metrics import metric
from tfmask.report.markup import element, table

NASTY = 'a <b> & "c" </script> ü'


def guesses(dataset, seed, spread):
    """Results made of the ground truth: moved, some of another class, some gone."""
    rng, results = np.random.default_rng(seed), []
    for record in dataset.images:
        for i, label in enumerate(record.labels):
            mask = record.mask(i)
            if record.crowd[i] or rng.random() < 0.15:
                continue
            by = rng.normal(0, spread, 2)
            move = np.array([[1, 0, by[0]], [0, 1, by[1]]])
            mask = cv2.warpAffine(mask, move, mask.shape[::-1], flags=cv2.INTER_NEAREST)
            if not mask.any():
                continue
            if rng.random() < 0.15:
                label = 1 + rng.integers(dataset.class_map.num_classes)
            code = encode(mask)
            results.append(
                {
                    "image_id": record.image_id,
                    "category_id": dataset.class_map.ids[int(label) - 1],
                    "bbox": mask_utils.toBbox(code).tolist(),
                    "score": float(rng.random()),
                    "segmentation": code,
                }
            )
    return results


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A data set, a run folder and a results file beside no configuration."""
    folder = tmp_path_factory.mktemp("report")
    path = write_dataset(folder / "val", 8, seed=3, size=128)
    content = json.loads(path.read_text())
    content["categories"][0]["name"] = NASTY
    path.write_text(json.dumps(content))
    dataset = load_dataset(str(folder / "val"), log=None)
    config = load_config("demo/shapes")
    config.data.val = str(folder / "val")
    (folder / "run").mkdir()
    (folder / "run" / "config.json").write_text(json.dumps(to_dict(config)))
    for name, seed, spread in (("run/results", 0, 3), ("other", 1, 6)):
        text = json.dumps(guesses(dataset, seed, spread))
        (folder / f"{name}.json").write_text(text)
    return folder


@pytest.fixture(scope="module")
def page(runs):
    out = runs / "one.html"
    assert (
        main(["report", str(runs / "run"), "--output", str(out), "--draws", "50"]) == 0
    )
    return out


@pytest.fixture(scope="module")
def both(runs):
    out = runs / "two.html"
    argv = ["report", str(runs / "run"), str(runs / "other.json"), "--draws", "50"]
    assert main([*argv, "--output", str(out), "--images", "2"]) == 0
    return out


def data_of(page):
    text = page.read_text(encoding="utf-8")
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', text)
    return json.loads(found.group(1))


def figures_of(runs, name):
    config = load_config("demo/shapes")
    dataset = load_dataset(str(runs / "val"), options=DataConfig(), log=None)
    results = json.loads((runs / f"{name}.json").read_text())
    return metric(dataset, results, config.evaluation)


def test_figures_are_those_of_the_evaluation(runs, page, both):
    expected = figures_of(runs, "run/results")
    (run,) = data_of(page)["runs"]
    for key, value in json.loads(json.dumps(expected.to_json())).items():
        assert run[key] == value
    of_masks = list(run["per_iou"]["mask"].values())
    assert np.mean(of_masks) == pytest.approx(expected["mask/AP"], abs=1e-12)
    text = page.read_text(encoding="utf-8")
    for name in ("mask/AP", "box/AP75", "boundary/AP50"):
        card = f'<span class="name">{name.replace("/", " ")}</span>'
        assert f'{card}<span class="value">{expected[name]:.3f}</span>' in text
        interval = data_of(page)["intervals"][name]
        assert interval["low"] < interval["value"] < interval["high"]
        assert interval["value"] == pytest.approx(expected[name], abs=1e-12)
    other = figures_of(runs, "other")
    found = data_of(both)["differences"]["mask/AP"]
    assert found["difference"]["value"] == pytest.approx(
        other["mask/AP"] - expected["mask/AP"], abs=1e-12
    )


def test_the_page_needs_nothing_beside_itself(page, both):
    for path in (page, both):
        text = path.read_text(encoding="utf-8")
        for address in re.findall(r'(?:src|href)="([^"]*)"', text):
            assert address.startswith(("data:", "#")), address
        assert "@import" not in text and "url(" not in text and "http" not in text


def test_names_from_outside_are_text(page):
    text = page.read_text(encoding="utf-8")
    assert html.escape(NASTY, quote=False) in text and "<b> &" not in text
    assert text.count("</script>") == 1


def test_pictures_are_images_of_the_worst_and_the_best(page, both):
    text = page.read_text(encoding="utf-8")
    pictures = re.findall(r'src="data:image/(?:png|jpeg);base64,([^"]+)"', text)
    assert len(pictures) == 2 * 8 - 2 * sum(
        value is None for value in data_of(page)["runs"][0]["quality"].values()
    )

    image = cv2.imdecode(np.frombuffer(base64.b64decode(pictures[0]), "u1"), 1)
    assert max(image.shape) >= 400
    quality = [float(v) for v in re.findall(r"quality ([0-9.]+)<", text)]
    known = [v for v in data_of(page)["runs"][0]["quality"].values() if v is not None]
    assert quality[:6] == sorted(round(v, 3) for v in known)[:6]
    two = both.read_text(encoding="utf-8")
    assert "other is better" in two or "run is better" in two
    assert len(re.findall('class="panel"', two)) % 3 == 0


def script(page, folder, code):
    """The page in a frame as wide as a phone or a desk, and what a script finds."""
    target = folder / "probed.html"
    text = page.read_text(encoding="utf-8")
    target.write_text(text.replace("</body>", f"<script>{code}</script></body>"))
    return target


@pytest.mark.parametrize("width", [1280, 390])
def test_a_browser_shows_it_without_errors(both, tmp_path, width):
    """Nothing is wider than the window but what scrolls by itself."""
    code = (
        "addEventListener('load', () => { const d = document.documentElement;"
        "const bad = [...document.images].filter(i => !i.naturalWidth).length;"
        "parent.postMessage([d.scrollWidth, innerWidth, bad].join(), '*'); });"
    )
    script(both, tmp_path, code)
    frame = tmp_path / "frame.html"
    frame.write_text(
        "<body><script>addEventListener('message', e => {"
        "document.title = 'found ' + e.data; });</script>"
        f'<iframe src="probed.html" style="width:{width}px;height:900px;border:0">'
    )
    done = chromium.run(
        tmp_path,
        f"--window-size={max(width, 500)},900",
        "--allow-file-access-from-files",
        "--enable-logging=stderr",
        "--virtual-time-budget=3000",
        "--dump-dom",
        frame.as_uri(),
    )
    assert "CONSOLE" not in done.stderr, done.stderr
    wide, inner, broken = re.search(r"found (\d+),(\d+),(\d+)", done.stdout).groups()
    assert int(inner) == width and int(wide) <= width and broken == "0"


@pytest.mark.parametrize("scheme, dark", [(0, True), (1, False)])
def test_it_has_a_light_and_a_dark_side(page, tmp_path, scheme, dark):
    shot = tmp_path / "shot.png"
    chromium.run(
        tmp_path,
        "--window-size=1280,900",
        f"--blink-settings=preferredColorScheme={scheme}",
        f"--screenshot={shot}",
        page.as_uri(),
    )
    image = cv2.imread(str(shot))
    assert image.shape[:2] == (900, 1280)
    assert bool(image[5, 5].mean() < 60) is dark
    assert image.std() > 10  # there is something on it


def test_a_run_without_results_says_what_makes_them(runs, tmp_path, capsys):
    assert main(["report", str(tmp_path), "--output", str(tmp_path / "a.html")]) == 1
    said = capsys.readouterr().err
    assert "has no results.json" in said
    assert (
        f"tfmask evaluate {tmp_path / 'config.json'} --load {tmp_path} --results"
        in said
    )
    assert main(["report", str(tmp_path / "no"), "--output", "x.html"]) == 1
    assert "no such file or folder" in capsys.readouterr().err


def test_a_results_file_takes_its_settings_from_the_command_line(
    runs, tmp_path, capsys
):
    out = tmp_path / "a.html"
    argv = ["report", str(runs / "other.json"), "--output", str(out), "--draws", "5"]
    assert main(argv) == 2
    assert "data.val: expected" in capsys.readouterr().err
    argv += ["--images", "1", "--threshold", "0.9"]
    assert main([*argv, f"data.val={runs / 'val'}", "evaluation.boundary=false"]) == 0
    (run,) = data_of(out)["runs"]
    assert run["name"] == "other" and "boundary/AP" not in run["figures"]
    assert "score at least 0.9" in out.read_text(encoding="utf-8")


def test_a_result_of_another_image_is_one_line(runs, tmp_path, capsys):
    bad = tmp_path / "bad.json"
    bad.write_text(json.dumps([{"image_id": 99, "category_id": 1, "score": 1}]))
    argv = ["report", str(bad), "--output", str(tmp_path / "a.html")]
    assert main([*argv, f"data.val={runs / 'val'}"]) == 1
    said = capsys.readouterr().err
    assert (
        "bad.json: result 0 (image 99)" in said and not (tmp_path / "a.html").exists()
    )


def test_results_without_masks_and_images_that_are_gone(runs, tmp_path):
    """Boxes are reported on alone; an image that cannot be read is said to be so."""
    results = json.loads((runs / "other.json").read_text())
    for result in results:
        del result["segmentation"]
    (tmp_path / "boxes.json").write_text(json.dumps(results))
    write_dataset(tmp_path / "val", 8, seed=3, size=128)
    dataset_file = tmp_path / "val" / "annotations.json"
    dataset_file.write_text((runs / "val" / "annotations.json").read_text())
    out = tmp_path / "a.html"
    argv = ["report", str(tmp_path / "boxes.json"), f"data.val={tmp_path / 'val'}"]
    for path in (tmp_path / "val" / "images").glob("*.jpg"):
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert main([*argv, "--output", str(out), "--draws", "5"]) == 0
    text = out.read_text(encoding="utf-8")
    assert "By the box IoU" in text and ".jpg: " in text
    assert "<img" not in text


def test_compare_prints_the_paired_differences(runs, tmp_path, capsys):
    files = [str(runs / "run" / "results.json"), str(runs / "other.json")]
    out = tmp_path / "d.csv"
    argv = ["evaluate", str(runs / "run" / "config.json"), "--compare", *files]
    assert main([*argv, "--csv", str(out)]) == 0
    said = capsys.readouterr().out
    one, other = figures_of(runs, "run/results"), figures_of(runs, "other")
    line = next(x for x in said.splitlines() if x.startswith("mask/AP50"))
    change = other["mask/AP50"] - one["mask/AP50"]
    assert line.split()[1:4] == [
        f"{one['mask/AP50']:.3f}",
        f"{other['mask/AP50']:.3f}",
        f"{change:+.3f}",
    ]
    rows = {row["figure"]: row for row in csv.DictReader(out.open())}
    assert float(rows["box/AP"]["difference"]) == pytest.approx(
        other["box/AP"] - one["box/AP"]
    )
    assert main([*argv, "--csv", str(out), "--per-class"]) == 0
    rows = list(csv.DictReader(out.open(encoding="utf-8")))
    assert rows[0]["class"] == NASTY and len(rows) == 4 * 3
    assert main([*argv, "--results", "x.json"]) == 2
    assert "--results with --compare" in capsys.readouterr().err


def test_compare_and_load_exclude_each_other(capsys):
    for more in ([], ["--load", "x", "--compare", "a", "b"]):
        with pytest.raises(SystemExit) as caught:
            main(["evaluate", "demo/shapes", *more])
        assert caught.value.code == 2


def test_elements_escape_what_is_no_element():
    assert element("p", "a<b", element("b", 1), None, class_="x", data_y='"') == (
        '<p class="x" data-y="&quot;">a&lt;b<b>1</b></p>'
    )
    cell = element("td", 2, class_="up")
    assert f'<tr><th scope="row">&amp;</th>{cell}<td>3</td></tr>' in table(
        ["a", "b", "c"], [["&", cell, 3]]
    )
