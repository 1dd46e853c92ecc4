"""The peers' models, made of all-MiniLM-L6-v2's checkpoint the way the published ones are.

    python benches/peers/make_models.py --base DIR --out DIR

DIR is a Hugging Face checkpoint. OUT/all-MiniLM-L6-v2 gets the layout that transformers.js reads: onnx/model.onnx, PyTorch's export
in f32, and onnx/model_quantized.onnx, onnxruntime's dynamic int8 with a scale per column. OUT/reference.json has PyTorch's own f32
vectors of the bench's instructions. `./build.sh bench --peers` keeps OUT in the user's cache; none of it is committed.
"""

import argparse
import json
import os
import pathlib
import shutil

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from tokenizers import Tokenizer
from transformers import AutoModel

OPSET = 17
INPUTS = ["input_ids", "attention_mask", "token_type_ids"]


class Exported(torch.nn.Module):
    """The mask becomes a bias in the graph, one per batch, as in the published files."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, input_ids, attention_mask, token_type_ids):
        bias = (1.0 - attention_mask[:, None, None, :].float()) * torch.finfo(torch.float32).min
        return self.model(input_ids=input_ids, attention_mask=bias, token_type_ids=token_type_ids).last_hidden_state


def export(model, to):
    ids = torch.tensor([[101, 7592, 2088, 102], [101, 7592, 102, 0]])
    axes = {0: "batch", 1: "tokens"}
    torch.onnx.export(
        # The exporter leaves it as it finds it: without eval(), with its dropout on.
        Exported(model).eval(),
        (ids, (ids > 0).long(), torch.zeros_like(ids)),
        str(to),
        input_names=INPUTS,
        output_names=["last_hidden_state"],
        dynamic_axes={name: axes for name in [*INPUTS, "last_hidden_state"]},
        opset_version=OPSET,
        # The exporter that the published files come from.
        dynamo=False,
    )


@torch.inference_mode()
def embed(model, tokenizer, text):
    """One text, so that nothing is padded."""
    ids = torch.tensor([tokenizer.encode(text).ids])
    states = model(input_ids=ids).last_hidden_state
    return torch.nn.functional.normalize(states.mean(1))[0].tolist()


def copy_tokenizer(base, to):
    """Its settings to pad and cut every text to 128 tokens are the checkpoint's demo, not the model's."""
    tokenizer = json.loads((base / "tokenizer.json").read_text(encoding="utf-8"))
    tokenizer |= {"padding": None, "truncation": None}
    (to / "tokenizer.json").write_text(json.dumps(tokenizer, ensure_ascii=False), encoding="utf-8")
    for name in ["config.json", "tokenizer_config.json"]:
        shutil.copyfile(base / name, to / name)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", type=pathlib.Path, required=True)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--texts", type=pathlib.Path, default=pathlib.Path("tests/fixtures/bench-instructions.txt"))
    args = parser.parse_args()

    out = args.out / "all-MiniLM-L6-v2"
    (out / "onnx").mkdir(parents=True, exist_ok=True)
    copy_tokenizer(args.base, out)
    # Eager attention: plain matrix products and a softmax, which onnxruntime's optimiser knows.
    bert = AutoModel.from_pretrained(args.base, dtype=torch.float32, attn_implementation="eager", add_pooling_layer=False).eval()
    export(bert, out / "onnx" / "model.onnx")
    quantize_dynamic(out / "onnx" / "model.onnx", out / "onnx" / "model_quantized.onnx", per_channel=True, weight_type=QuantType.QInt8)

    tokenizer = Tokenizer.from_file(str(out / "tokenizer.json"))
    texts = args.texts.read_text(encoding="utf-8").splitlines()
    vectors = [embed(bert, tokenizer, text) for text in texts]
    (args.out / "reference.json").write_text(json.dumps({"texts": texts, "vectors": vectors}), encoding="utf-8")


if __name__ == "__main__":
    main()
