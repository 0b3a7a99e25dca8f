"""A Hugging Face hub of one's own for tests: what huggingface_hub, datasets and transformers ask, over plain http, from memory.

    hub = LocalHub()
    hub.add("datasets", "owner/name", {"README.md": "...", "data/train.parquet": b"..."}, commit="ca7ecbe...")
    with hub:
        subprocess.run(..., env={**os.environ, **hub.env(tmp_path)})
    hub.repos["models", "me/mine"].files("main")        # what was uploaded

A repository is a list of commits (whole trees) and refs that name them; `gated` ones want a token. `down_after = n` closes every connection
after n requests, as a hub that goes down does; `requests` holds the lines of all requests.
"""

import base64
import hashlib
import json
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

LFS_FROM = 100_000  # bytes from which a file is uploaded through LFS, as the hub asks for weights


class Repo:
    def __init__(self, gated=False):
        self.commits, self.refs, self.gated = {}, {}, gated

    def commit(self, files, sha=None, ref="main"):
        """Add a tree {path: bytes, text or Path} as a commit; without `sha` it gets one of its own."""
        sha = sha or hashlib.sha1(f"{sorted(files)}{len(self.commits)}".encode()).hexdigest()
        self.commits[sha] = {path: as_bytes(content) for path, content in files.items()}
        if ref:
            self.refs[ref] = sha
        return sha

    def sha(self, revision):
        return self.refs.get(revision, revision if revision in self.commits else None)

    def files(self, revision="main"):
        return self.commits[self.sha(revision)]


def as_bytes(content):
    if isinstance(content, Path):
        return content.read_bytes()
    return content.encode() if isinstance(content, str) else content


class LocalHub:
    def __init__(self):
        self.repos, self.requests, self.objects, self.down_after = {}, [], {}, None
        self.http = ThreadingHTTPServer(
            ("127.0.0.1", 0), type("Handler", (Handler,), {"hub": self})
        )
        self.http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.http.server_port}"

    def add(self, kind, name, files, commit=None, ref="main", gated=False):
        repo = self.repos.setdefault((kind, name), Repo(gated))
        repo.gated = gated
        repo.commit(files, commit, ref)
        return repo

    def env(self, home, token=None):
        """Environment of a process that uses this hub, with caches of its own below `home`."""
        return {
            "HF_ENDPOINT": self.url,
            "HF_HOME": str(home),
            "HF_TOKEN": token or "",
            "HF_HUB_OFFLINE": "0",
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "NO_PROXY": "127.0.0.1",
        }

    def __enter__(self):
        threading.Thread(
            target=self.http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        ).start()
        return self

    def __exit__(self, *_):
        self.http.shutdown()
        self.http.server_close()


class Refused(Exception):
    """An error as the hub answers it: status and X-Error-Code."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub = None

    def log_message(self, *_):
        pass

    def answer(self, status, body=b"", **headers):
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"Content-Type": "application/json", "Content-Length": len(body)} | {
            name.replace("_", "-"): value for name, value in headers.items()
        }
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, str(value))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def handle_request(self):
        hub = self.hub
        hub.requests.append(f"{self.command} {self.path}")
        if hub.down_after is not None and len(hub.requests) > hub.down_after:
            self.close_connection = True
            return
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path, _, query = self.path.partition("?")
        self.query = urllib.parse.parse_qs(query)
        parts = [urllib.parse.unquote(part) for part in path.strip("/").split("/")]
        try:
            self.route(parts)
        except Refused as refused:
            status, code = refused.args
            self.answer(status, {"error": code}, X_Error_Code=code, X_Error_Message=code)

    do_GET = do_HEAD = do_POST = do_PUT = handle_request

    def route(self, parts):
        if parts[:2] == ["api", "whoami-v2"]:
            return self.answer(200, {"name": "me", "type": "user", "orgs": []})
        if parts[:2] == ["api", "validate-yaml"]:
            return self.answer(200, {"errors": [], "warnings": []})
        if parts[:3] == ["api", "repos", "create"]:
            return self.create(json.loads(self.body))
        if parts[0] == "lfs":
            self.hub.objects[parts[1]] = self.body
            return self.answer(200)
        if "info" in parts and parts[-1] == "batch":
            return self.lfs_batch(json.loads(self.body))
        if parts[0] == "api":
            return self.api(parts[1], "/".join(parts[2:4]), parts[4:])
        kind = "datasets" if parts[0] == "datasets" else "models"
        parts = parts[1:] if kind == "datasets" else parts
        if parts[2:3] == ["resolve"]:
            return self.resolve(kind, "/".join(parts[:2]), parts[3], "/".join(parts[4:]))
        raise Refused(404, "RepoNotFound")

    # ---- reading ----

    def repo(self, kind, name, revision="main"):
        repo = self.hub.repos.get((kind, name))
        if repo is None:
            raise Refused(404 if self.headers.get("Authorization") else 401, "RepoNotFound")
        if repo.sha(revision) is None:
            raise Refused(404, "RevisionNotFound")
        return repo, repo.sha(revision)

    def api(self, kind, name, rest):
        what = rest[0] if rest else "info"
        revision = rest[1] if len(rest) > 1 else "main"
        if what == "preupload":
            return self.preupload(json.loads(self.body))
        if what == "commit":
            return self.commit(kind, name, revision)
        repo, sha = self.repo(kind, name, revision)
        files = repo.commits[sha]
        if what == "tree":
            below = "/".join(rest[2:])
            return self.answer(200, self.tree(files, below))
        if what == "paths-info":
            form = urllib.parse.parse_qs(self.body.decode())
            wanted = form.get("paths") or json.loads(self.body).get("paths", [])
            return self.answer(
                200, [entry for entry in self.tree(files, "", True) if entry["path"] in wanted]
            )
        if what == "commits":
            listed = [
                {
                    "id": one,
                    "title": "",
                    "message": "",
                    "date": "2025-07-01T00:00:00.000Z",
                    "authors": [],
                }
                for one in reversed(repo.commits)
            ]
            return self.answer(200, listed)
        info = {"id": name, "sha": sha, "private": False, "gated": "auto" if repo.gated else False}
        info |= {"tags": [], "downloads": 0, "likes": 0, "disabled": False}
        return self.answer(200, info | {"siblings": [{"rfilename": path} for path in files]})

    def tree(self, files, below, all_levels=False):
        """Entries of a folder: its files, and its folders where the caller does not ask for all levels."""
        all_levels = all_levels or self.query.get("recursive", ["false"])[0].lower() in (
            "true",
            "1",
        )
        prefix, entries = below + "/" if below else "", {}
        for path, content in files.items():
            if not path.startswith(prefix):
                continue
            steps = path[len(prefix) :].split("/")
            for depth in range(1, len(steps)):
                folder = prefix + "/".join(steps[:depth])
                if all_levels or depth == 1:
                    entries[folder] = {
                        "type": "directory",
                        "path": folder,
                        "oid": "0" * 40,
                        "size": 0,
                    }
            if all_levels or len(steps) == 1:
                oid = hashlib.sha1(content).hexdigest()
                entries[path] = {"type": "file", "path": path, "oid": oid, "size": len(content)}
        if below and not entries and below not in files:
            raise Refused(404, "EntryNotFound")
        return list(entries.values())

    def resolve(self, kind, name, revision, path):
        repo, sha = self.repo(kind, name, revision)
        if repo.gated and not self.headers.get("Authorization") and path != "README.md":
            raise Refused(401, "GatedRepo")
        content = repo.commits[sha].get(path)
        if content is None:
            raise Refused(404, "EntryNotFound")
        headers = dict(
            ETag=f'"{hashlib.sha1(content).hexdigest()}"',
            X_Repo_Commit=sha,
            Accept_Ranges="bytes",
            Content_Type="application/octet-stream",
        )
        span = self.headers.get("Range")
        if not span:
            return self.answer(200, content, Content_Length=len(content), **headers)
        first, _, last = span.removeprefix("bytes=").partition("-")
        first = int(first) if first else len(content) - int(last)
        last = min(int(last), len(content) - 1) if last and span[6] != "-" else len(content) - 1
        part = content[first : last + 1]
        headers["Content_Range"] = f"bytes {first}-{last}/{len(content)}"
        self.answer(206, part, Content_Length=len(part), **headers)

    # ---- uploads ----

    def create(self, asked):
        kind = asked.get("type", "model") + "s"
        name = f"{asked.get('organization') or 'me'}/{asked['name']}"
        if (kind, name) in self.hub.repos:
            return self.answer(409, {"error": "exists", "url": f"{self.hub.url}/{name}"})
        self.hub.add(kind, name, {".gitattributes": ""})
        prefix = "datasets/" if kind == "datasets" else ""
        self.answer(200, {"url": f"{self.hub.url}/{prefix}{name}", "id": name})

    def preupload(self, asked):
        modes = [
            {
                "path": file["path"],
                "uploadMode": "lfs" if file["size"] >= LFS_FROM else "regular",
                "shouldIgnore": False,
            }
            for file in asked["files"]
        ]
        self.answer(200, {"files": modes})

    def lfs_batch(self, asked):
        objects = [
            {
                **one,
                "actions": {"upload": {"href": f"{self.hub.url}/lfs/{one['oid']}", "header": {}}},
            }
            for one in asked["objects"]
        ]
        self.answer(200, {"transfer": "basic", "objects": objects})

    def commit(self, kind, name, revision):
        repo, sha = self.repo(kind, name, revision)
        files = dict(repo.commits[sha])
        for line in self.body.splitlines():
            entry = json.loads(line)
            value = entry["value"]
            if entry["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif entry["key"] == "lfsFile":
                files[value["path"]] = self.hub.objects[value["oid"]]
            elif entry["key"] == "deletedFile":
                files.pop(value["path"], None)
        made = repo.commit(files, ref=revision)
        url = f"{self.hub.url}/{'datasets/' if kind == 'datasets' else ''}{name}/commit/{made}"
        self.answer(200, {"commitUrl": url, "commitOid": made, "success": True})
