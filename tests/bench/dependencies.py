"""The packages of the two requirement lists: known vulnerabilities, and the licence of each.

    python tests/bench/dependencies.py audit        pip-audit over both lists (needs uv, and the network)
    python tests/bench/dependencies.py licences     licence of every package that is installed here, those of the lists first

out  a table on stdout. Exit code 1 where a vulnerability is known or pip-audit could not ask; its sentence says which
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import importlib.metadata
import json
import re
import shutil
import subprocess
import tempfile

import rows as r

PIP_AUDIT = "pip-audit==2.10.1"
LISTS = ("requirements.txt", "requirements-cpu.txt")


class NotAsked(r.BadInput):
    """pip-audit got no answer: nothing is known, which is not the same as nothing found."""

    exit_code = 1


def pins(name):
    """{package: version} of a list."""
    text = (r.ROOT / name).read_text()
    return dict(re.findall(r"^([\w-]+)(?:\[[\w,]+\])?==(\S+)", text, re.M))


def licence(package):
    """The licence that a package states of itself, in one line."""
    meta = package.metadata
    kinds = [c.rpartition(" :: ")[2] for c in meta.get_all("Classifier") or () if "License" in c]
    stated = meta.get("License-Expression") or ", ".join(kinds) or meta.get("License") or ""
    first = stated.strip().splitlines()[0][:60] if stated.strip() else ""
    return first if first not in ("", "UNKNOWN") else "not stated"


def show_licences():
    wanted = {re.sub(r"[-_.]+", "-", name.lower()) for path in LISTS for name in pins(path)}
    found = {}
    for package in importlib.metadata.distributions():
        name = re.sub(r"[-_.]+", "-", package.metadata["Name"].lower())
        found[name] = (name not in wanted, name, package.version, licence(package))
    print("| package | version | licence | |\n|---|---|---|---|")
    for brought, name, version, stated in sorted(found.values()):
        print(f"| {name} | {version} | {stated} | {'brought by another' if brought else ''} |")
    absent = sorted(wanted - found.keys())
    print(
        f"\n{len(found)} packages; of the lists not installed here: {', '.join(absent) or 'none'}"
    )


def ask_pip_audit(name):
    """[(package, version, vulnerability, versions that mend it)] of a list; BadInput where pip-audit could not ask."""
    uv = shutil.which("uv") or shutil.which("uv", path=str(Path(sys.executable).parent))
    if uv is None:
        raise r.BadInput("uv is not at hand; `bash setup.sh` installs it")
    with tempfile.TemporaryDirectory() as folder:
        pinned, report = Path(folder, "pins.txt"), Path(folder, "report.json")
        pinned.write_text("".join(f"{name}=={version}\n" for name, version in pins(name).items()))
        command = [uv, "tool", "run", "--from", PIP_AUDIT, "pip-audit", "--requirement", pinned]
        command += ["--no-deps", "--disable-pip", "--format", "json", "--output", report]
        done = subprocess.run(command, capture_output=True, text=True)
        if not report.is_file():
            last = (done.stderr.strip().splitlines() or ["no word"])[-1]
            raise NotAsked(f"{name}: pip-audit could not ask (is the network there?): {last[:200]}")
        found = json.loads(report.read_text())["dependencies"]
    skipped = [package["name"] for package in found if "skip_reason" in package]
    if len(skipped) == len(found):
        reason = found[0]["skip_reason"][:150] if found else "the list is empty"
        raise NotAsked(f"{name}: pip-audit could look up none of {len(found)} packages ({reason})")
    if skipped:
        print(f"{name}: not known where pip-audit asks: {', '.join(skipped)}", file=sys.stderr)
    return len(found) - len(skipped), [
        (package["name"], package["version"], known["id"], ", ".join(known["fix_versions"]))
        for package in found
        for known in package.get("vulns", ())
    ]


def audit():
    vulnerable = False
    for name in LISTS:
        asked, found = ask_pip_audit(name)
        print(f"{name}: {asked} packages asked about, {len(found)} known vulnerabilities")
        for package, version, known, mended in found:
            print(f"  {package} {version}  {known}  mended in: {mended or 'no version yet'}")
        vulnerable = vulnerable or bool(found)
    if vulnerable:
        raise SystemExit(1)


def main():
    parser = r.parser(__doc__)
    parser.add_argument("action", choices=("audit", "licences"))
    {"audit": audit, "licences": show_licences}[parser.parse_args().action]()


if __name__ == "__main__":
    r.run(main)
