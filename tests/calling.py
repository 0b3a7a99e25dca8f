"""Call a script's main() in this process: its imports are paid for once. test_scripts.py starts
every script as a process beside this."""

import contextlib
import io
import sys

from conftest import ROOT

import rows as r


class Done:
    def __init__(self, returncode, stdout, stderr):
        self.returncode, self.stdout, self.stderr = returncode, stdout, stderr


def call(module, *args, code=0):
    """main() of an imported script with these options, as run_script would call it; asserts the
    exit code."""
    r.file_hash.cache_clear()  # a file may have changed since the last call
    old, out, err, returncode = sys.argv, io.StringIO(), io.StringIO(), 0
    sys.argv = [str(next(ROOT.glob(f"0[1-4]_*/{module.__name__}.py"))), *map(str, args)]
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            r.run(module.main)
    except SystemExit as end:
        returncode = end.code or 0
    finally:
        sys.argv = old
    assert returncode == code, (
        f"{module.__name__} ended with {returncode}\n{out.getvalue()[-2000:]}\n{err.getvalue()[-3000:]}"
    )
    return Done(returncode, out.getvalue(), err.getvalue())
