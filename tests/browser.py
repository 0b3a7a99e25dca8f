"""A page of the disk in headless Chromium, and a text that tries to become markup and run there."""

import shutil
import subprocess

import pytest

HOSTILE = "</script><script>document.title='broken out'</script><!--<img src=x onerror=\"document.title='broken out'\"> \u2028 & \U0001f600"
BROWSER = (
    shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
)
needs_browser = pytest.mark.skipif(
    BROWSER is None, reason="needs a browser: apt-get install chromium"
)


def browse(path, script="", width=1200, height=900, budget=8000):
    """Open a page of the disk in headless Chromium, run a script at its end, and return the text of
    the document afterwards."""
    page = path
    if script:
        page = path.with_name(f"driven_{path.name}")
        page.write_text(
            path.read_text(encoding="utf-8").replace(
                "</body>", f"<script>{script}</script></body>"
            ),
            encoding="utf-8",
        )
    command = [
        BROWSER,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--no-first-run",
        "--disable-background-networking",
        "--hide-scrollbars",
        "--enable-logging=stderr",
        f"--user-data-dir={path.parent / 'profile'}",
        f"--window-size={width},{height}",
        f"--virtual-time-budget={budget}",
        "--dump-dom",
    ]
    done = subprocess.run([*command, page.as_uri()], capture_output=True, text=True, timeout=120)
    assert "CONSOLE" not in done.stderr or "Uncaught" not in done.stderr, done.stderr[-2000:]
    return done.stdout
