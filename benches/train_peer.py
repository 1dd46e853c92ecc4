"""A training step of `cargo bench --bench train` against PyTorch, in turns on the same cores.

    python benches/train_peer.py --base DIR --bench BINARY [--rounds 3] [--batch 64] [--tokens 32]

BINARY is the path that `cargo bench --no-run --features train --bench train` prints. PyTorch: f32, BertModel with SDPA, mean
pooling, the same loss, clipping and AdamW, word embeddings frozen.
"""

import argparse
import json
import os
import statistics
import subprocess
import time


def torch_step_ms(base, batch, tokens, steps):
    import torch
    from transformers import AutoModel

    torch.set_num_threads(os.cpu_count())
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
        start = time.perf_counter()
        hidden = model(input_ids=ids, attention_mask=mask).last_hidden_state
        z = torch.nn.functional.normalize(hidden.mean(1), dim=-1)
        scores = z @ z.T / 0.05
        negatives = torch.logsumexp(scores.masked_fill(same, -1e30), 1, keepdim=True)
        terms = torch.nn.functional.softplus(negatives - scores)
        loss = ((terms * positive).sum(1) / positive.sum(1)).mean()
        value = loss.item()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        if step >= 2:
            times.append((time.perf_counter() - start) * 1e3)
    return {"ms": statistics.median(times), "least_ms": min(times), "loss": value}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--base", required=True)
    parser.add_argument("--bench", required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--tokens", type=int, default=32)
    parser.add_argument("--steps", type=int, default=8)
    a = parser.parse_args()
    shape = ["--batch", str(a.batch), "--tokens", str(a.tokens), "--steps", str(a.steps)]
    ours, theirs = [], []
    for _ in range(a.rounds):
        out = subprocess.run([a.bench, "--base", a.base, *shape], check=True, capture_output=True, text=True).stdout
        ours.append(json.loads(out))
        theirs.append(torch_step_ms(a.base, a.batch, a.tokens, a.steps))
        print(json.dumps({"pie": ours[-1], "pytorch": theirs[-1]}))
    best = lambda rows: min(row["least_ms"] for row in rows)
    middle = lambda rows: statistics.median(row["ms"] for row in rows)
    print(f"median ms/step: pie {middle(ours):.0f}, PyTorch {middle(theirs):.0f}, ratio {middle(ours) / middle(theirs):.2f}")
    print(f"least ms/step: pie {best(ours):.0f}, PyTorch {best(theirs):.0f}, ratio {best(ours) / best(theirs):.2f}")


if __name__ == "__main__":
    main()
