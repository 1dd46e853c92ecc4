"""One file of instructions through `pie embed`, onnxruntime (int8) and sentence-transformers (f32), in turns on all cores.

    python benches/peers/bulk.py --peer DIR --base DIR --model NAME [--model NAME …] [--rounds 3] [--threads N]

PEER is the all-MiniLM-L6-v2 folder that make_models.py writes, BASE the checkpoint it was made of. Prints one line of JSON. Ours is
timed from the start of the process to the file of vectors; the peers have their imports, model and a warm-up behind them.
"""

import argparse
import json
import os
import pathlib
import random
import statistics
import subprocess
import tempfile
import time

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import numpy as np
import onnxruntime
import torch
from sentence_transformers import SentenceTransformer
from tokenizers import Tokenizer

ROOT = pathlib.Path(__file__).resolve().parents[2]
PIE = ROOT / "target" / "release" / "pie"
# 32 is sentence-transformers' own.
BATCH = 32


def instructions(count, folder):
    """Drawn from the phrasebook with its slots filled: the same ones for as long as the phrasebook stays as it is."""
    command = [PIE, "phrasebook", "--dir", ROOT / "models" / "phrasebook", "--variants", "1", "--output", folder]
    subprocess.run(command, check=True, capture_output=True)
    lines = (folder / "phrasebook.jsonl").read_text(encoding="utf-8").splitlines()
    return random.Random(0).sample([json.loads(line)["instruction"] for line in lines], count)


def pie(model, file, folder, threads):
    vectors = folder / "vectors.npy"
    command = [PIE, "embed", "--model", model, "--input", file, "--output", vectors, "--no-cache", "--force"]
    environment = dict(os.environ, RAYON_NUM_THREADS=str(threads))

    def run(texts):
        subprocess.run(command, check=True, capture_output=True, env=environment, cwd=ROOT)
        return np.load(vectors)

    return run


def onnx(peer, threads):
    """Sorted by length and padded batch by batch, as sentence-transformers does it."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(peer / "onnx" / "model_quantized.onnx", options, providers=["CPUExecutionProvider"])
    tokenizer = Tokenizer.from_file(str(peer / "tokenizer.json"))
    tokenizer.enable_truncation(512)
    tokenizer.enable_padding()

    def run(texts):
        order = sorted(range(len(texts)), key=lambda index: -len(texts[index]))
        vectors = None
        for start in range(0, len(order), BATCH):
            rows = order[start : start + BATCH]
            encoded = tokenizer.encode_batch([texts[row] for row in rows])
            ids = np.array([e.ids for e in encoded], dtype=np.int64)
            mask = np.array([e.attention_mask for e in encoded], dtype=np.int64)
            feeds = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
            (states,) = session.run(["last_hidden_state"], feeds)
            pooled = np.einsum("nth,nt->nh", states, mask.astype(np.float32))
            if vectors is None:
                vectors = np.empty((len(texts), pooled.shape[1]), dtype=np.float32)
            vectors[rows] = pooled / np.linalg.norm(pooled, axis=1, keepdims=True)
        return vectors

    return run


def sentence_transformers(base, threads):
    torch.set_num_threads(threads)
    model = SentenceTransformer(str(base), device="cpu")
    return lambda texts: model.encode(texts, batch_size=BATCH, normalize_embeddings=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", type=pathlib.Path, required=True)
    parser.add_argument("--base", type=pathlib.Path, required=True)
    parser.add_argument("--model", action="append", required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--count", type=int, default=2000)
    args = parser.parse_args()

    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        texts = instructions(args.count, folder)
        file = folder / "instructions.jsonl"
        file.write_text("".join(json.dumps({"instruction": text}) + "\n" for text in texts), encoding="utf-8")
        runs = {f"{model}, pie embed": pie(model, file, folder, args.threads) for model in args.model}
        runs["onnxruntime q8"] = onnx(args.peer, args.threads)
        runs["sentence-transformers f32"] = sentence_transformers(args.base, args.threads)

        for run in runs.values():
            run(texts[: 4 * BATCH])
        seconds = {name: [] for name in runs}
        vectors = {}
        for _ in range(args.rounds):
            for name, run in runs.items():
                start = time.perf_counter()
                vectors[name] = run(texts)
                seconds[name].append(time.perf_counter() - start)

    # A peer that is fast because it computes something else would be no peer.
    agreement = np.sum(vectors["onnxruntime q8"] * vectors["sentence-transformers f32"], axis=1)
    if min(len(rows) for rows in vectors.values()) != len(texts) or agreement.mean() < 0.95:
        raise SystemExit(f"bulk.py: the peers' vectors do not agree (mean cosine {agreement.mean():.4f}) or rows are missing")
    rates = {name: len(texts) / statistics.median(times) for name, times in seconds.items()}
    reference = rates["sentence-transformers f32"]
    engines = [{"name": name, "per_second": rate, "ratio": rate / reference} for name, rate in rates.items()]
    print(json.dumps({"instructions": len(texts), "threads": args.threads, "rounds": args.rounds, "engines": engines}))


if __name__ == "__main__":
    main()
