"""Pictures of a run's report and viewer for the README, as a browser shows them.

    python data/screenshots.py --run data/runs/demo --output docs/images

in   RUN/04_eval/report.html and viewer.html, RUN/01_extract/spot_check.html; chromium or
     google-chrome on the path, or BROWSER=...
out  report.png, viewer.png, spot_check.png in the folder, each below 50 KB for the demo
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import os
import shutil
import subprocess
import tempfile

import rows as r

PAGES = {
    "report": "04_eval/report.html",
    "viewer": "04_eval/viewer.html",
    "spot_check": "01_extract/spot_check.html",
}
COLOURS = 64  # of a picture: text and plots need no more
SHOOT = "--headless=new --no-sandbox --disable-gpu --hide-scrollbars --window-size=1000,760"


def browser():
    names = (os.environ.get("BROWSER"), "chromium", "chromium-browser", "google-chrome")
    found = next(filter(None, (shutil.which(name) for name in names if name)), None)
    if found is None:
        raise r.BadInput("no chromium is installed; BROWSER=/path/to/chrome names another one")
    return found


def photograph(page, picture):
    """Write what a headless browser shows of a page; BadInput where it wrote nothing."""
    with tempfile.TemporaryDirectory() as profile:
        command = [browser(), *SHOOT.split(), "--virtual-time-budget=8000"]
        command += [
            f"--user-data-dir={profile}",
            f"--screenshot={picture}",
            page.resolve().as_uri(),
        ]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    if not picture.is_file():
        raise r.BadInput(f"{page}: the browser made no picture: {done.stderr.strip()[-300:]}")


def shrink(picture):
    """Few colours and the best compression."""
    from PIL import Image

    with Image.open(picture) as image:
        small = image.convert("RGB").quantize(COLOURS, method=Image.Quantize.MEDIANCUT)
    small.save(picture, optimize=True)


def main():
    parser = r.parser(__doc__)
    parser.add_argument("--run", required=True, metavar="DIR", help="folder of a finished run")
    parser.add_argument("--output", required=True, metavar="DIR", help="folder of the pictures")
    args = parser.parse_args()
    folder = Path(args.output)
    folder.mkdir(parents=True, exist_ok=True)
    for name, page in PAGES.items():
        page = Path(args.run) / page
        if not page.is_file():
            raise r.BadInput(f"{page}: there is no such file; is the run finished?")
        picture = folder / f"{name}.png"
        photograph(page, picture)
        shrink(picture)
        r.say(f"{picture}: {picture.stat().st_size:,} bytes")


if __name__ == "__main__":
    r.run(main)
