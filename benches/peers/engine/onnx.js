/** texts -> unit vectors, mean-pooled, with any build of onnxruntime: a batch is padded to its longest text. */
export function embedder(Tensor, session, tokenizer) {
  return async (texts) => {
    const rows = texts.map((text) => tokenizer.encode(text).ids);
    const width = Math.max(...rows.map(({ length }) => length));
    const dims = [rows.length, width];
    const [inputIds, attentionMask, tokenTypeIds] = Array.from({ length: 3 }, () => new BigInt64Array(rows.length * width));
    for (const [row, ids] of rows.entries()) {
      inputIds.set(ids.map(BigInt), row * width);
      attentionMask.fill(1n, row * width, row * width + ids.length);
    }
    const { last_hidden_state: states } = await session.run({
      input_ids: new Tensor('int64', inputIds, dims),
      attention_mask: new Tensor('int64', attentionMask, dims),
      token_type_ids: new Tensor('int64', tokenTypeIds, dims),
    });

    const { data } = states;
    const size = states.dims[2];
    const vectors = new Float32Array(rows.length * size);
    for (const [row, { length }] of rows.entries()) {
      const vector = vectors.subarray(row * size, (row + 1) * size);
      for (let token = 0; token < length; token++) {
        const at = (row * width + token) * size;
        for (let i = 0; i < size; i++) vector[i] += data[at + i];
      }
      // The mean's divisor goes out with the length.
      let square = 0;
      for (let i = 0; i < size; i++) square += vector[i] * vector[i];
      const scale = 1 / Math.sqrt(square);
      for (let i = 0; i < size; i++) vector[i] *= scale;
    }
    return vectors;
  };
}
