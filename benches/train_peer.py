"""A training step of `cargo bench --bench train` against PyTorch, in turns on the same cores.

    python benches/train_peer.py --base DIR --bench BINARY [--rounds 3] [--batch 64] [--tokens 32] [--threads N]

BINARY is the path that `cargo bench --no-run --features cli,train --bench train` prints. PyTorch: f32, BertModel with SDPA, mean
pooling, the same loss, clipping and AdamW, word embeddings frozen.
"""

import argparse
import json
import os
import statistics
import subprocess
import time


def torch_step(base, batch, tokens, steps, threads):
    import torch
    from transformers import AutoModel

    torch.set_num_threads(threads)
    model = AutoModel.from_pretrained(base, dtype=torch.float32, add_pooling_layer=False).train()
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
        if hasattr(module, "dropout_prob"):
            module.dropout_prob = 0.0
    model.embeddings.word_embeddings.weight.requires_grad_(False)
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(parameters, lr=5e-5, weight_decay=0.01, fused=True)
    vocabulary = model.config.vocab_size
    ids = torch.tensor([[(r * 7919 + t * 104729 + 1) % vocabulary for t in range(tokens)] for r in range(batch)])
    mask = torch.ones_like(ids)
    task = torch.arange(batch) // 4
    same = task[:, None] == task[None]
    positive = same & ~torch.eye(batch, dtype=torch.bool)
    times = []
    for step in range(steps + 2):
        if step == 2:
            cpu = time.process_time()
        start = time.perf_counter()
        hidden = model(input_ids=ids, attention_mask=mask).last_hidden_state
        z = torch.nn.functional.normalize(hidden.mean(1), dim=-1)
        scores = z @ z.T / 0.05
        negatives = torch.logsumexp(scores.masked_fill(same, -1e30), 1, keepdim=True)
        terms = torch.nn.functional.softplus(negatives - scores)
        loss = ((terms * positive).sum(1) / positive.sum(1)).mean()
        if step == 0:
            value = loss.item()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        if step >= 2:
            times.append((time.perf_counter() - start) * 1e3)
    cpu = (time.process_time() - cpu) * 1e3 / len(times)
    return {"cpu_ms": cpu, "ms": statistics.median(times), "least_ms": min(times), "first_loss": value}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--base", required=True)
    parser.add_argument("--bench", required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--tokens", type=int, default=32)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    a = parser.parse_args()
    shape = ["--batch", str(a.batch), "--tokens", str(a.tokens), "--steps", str(a.steps)]
    env = dict(os.environ, RAYON_NUM_THREADS=str(a.threads))
    ours, theirs = [], []
    for _ in range(a.rounds):
        out = subprocess.run([a.bench, "--base", a.base, *shape], check=True, capture_output=True, text=True, env=env).stdout
        ours.append(json.loads(out))
        theirs.append(torch_step(a.base, a.batch, a.tokens, a.steps, a.threads))
        print(json.dumps({"pie": ours[-1], "pytorch": theirs[-1]}))
    for name, pick, fold in [
        ("median ms/step", "ms", statistics.median),
        ("least ms/step", "least_ms", min),
        ("median CPU ms/step, all threads", "cpu_ms", statistics.median),
    ]:
        pie, peer = (fold([row[pick] for row in rows]) for rows in (ours, theirs))
        print(f"{name}: pie {pie:.0f}, PyTorch {peer:.0f}, ratio {pie / peer:.2f}")


if __name__ == "__main__":
    main()
