import * as check from './argument.js';
import type { Control } from './argument.js';
import type { EngineLabel } from './engine.js';
import { PieError } from './error.js';
import type { Chat, Classification, Picked, PickOptions, Tagger, TextOrChat, Tool, Tools, ToolsList } from './types.js';

const MAX_TOOLS = 2_000;
const UNKNOWN = 'unknown';

type Learn = (labels: EngineLabel[], control: Control) => Promise<Tagger>;

/** Tools as the labels of a tagger, which is made when the first prompt comes. */
export class ToolList implements Tools {
  readonly names: readonly string[];
  readonly #labels: EngineLabel[];
  readonly #learn: Learn;
  #tagger: Promise<Tagger> | undefined;
  #disposed = false;

  constructor(list: readonly Tool[] | ToolsList, learn: Learn) {
    this.#labels = labelsOf(list);
    this.names = Object.freeze(this.#labels.map(({ name }) => name));
    this.#learn = learn;
  }

  pick(prompt: string | Chat, options?: PickOptions): Promise<Picked>;
  pick(prompts: readonly TextOrChat[], options?: PickOptions): Promise<Picked[]>;
  async pick(given: string | Chat | readonly TextOrChat[], how?: PickOptions): Promise<Picked | Picked[]> {
    const { one, texts } = check.checkPrompts(given);
    const { k, ...options } = check.checkOptions(how);
    const count = check.checkCount(k, 'k') ?? 3;
    check.checkControl(options);
    if (this.#disposed) throw new PieError('disposed', 'the tools were disposed');
    const tagger = await this.#made();
    // The unknown may stand among them.
    const picked = (await tagger.classify(texts, { ...options, topK: count + 1 })).map((tags) => pickedOf(tags, count));
    return one ? picked[0]! : picked;
  }

  dispose(): void {
    this.#disposed = true;
    void this.#tagger?.then((tagger) => tagger.dispose(), () => {});
  }

  /** Learned once for all calls: the signal of one call does not end it. After a failure the next call retries. */
  #made(): Promise<Tagger> {
    this.#tagger ??= this.#learn(this.#labels, { signal: undefined, onProgress: undefined, onStep: undefined }).catch((error) => {
      this.#tagger = undefined;
      throw error;
    });
    return this.#tagger;
  }
}

function pickedOf(tags: Classification[], count: number): Picked {
  const tools = tags.filter(({ label }) => label !== UNKNOWN).slice(0, count);
  return { none: tags[0]!.label === UNKNOWN, tools: tools.map(({ label, score }) => ({ name: label, score })) };
}

function labelsOf(list: readonly Tool[] | ToolsList): EngineLabel[] {
  const tools = Array.isArray(list) ? list : (Object(list) as Partial<ToolsList>).tools;
  if (!Array.isArray(tools)) throw check.invalid('tools', 'an array of tools, or { tools: […] }', list);
  if (tools.length === 0) throw new PieError('no_texts', 'there are 0 tools');
  if (tools.length > MAX_TOOLS) {
    throw new PieError('invalid_argument', `${check.whole(tools.length)} tools were given; up to ${check.whole(MAX_TOOLS)} are taken: leave out what is never picked`);
  }
  const labels = Array.from(tools as unknown[], labelOf);
  const seen = new Set<string>();
  for (const { name } of labels) {
    if (seen.has(name)) throw new PieError('invalid_argument', `two tools are named ${check.describe(name)}`);
    seen.add(name);
  }
  return labels;
}

function labelOf(given: unknown, n: number): EngineLabel {
  const what = `tools[${n}]`;
  if (typeof given !== 'object' || given === null) throw check.invalid(what, 'a tool, { name, description, parameters }', given);
  const tool = given as Tool;
  const { name, description, parameters, inputSchema }: Tool = { ...tool, ...(tool.function ?? {}) };
  if (typeof name !== 'string' || name.trim() === '') throw check.invalid(`the name of ${what}`, 'a string that is not blank', name);
  if (description !== undefined && typeof description !== 'string') throw check.invalid(`the description of ${what}`, 'a string', description);
  const { examples = [] } = tool;
  const said = [description ?? '', ...parametersOf(parameters ?? inputSchema, what)].map((text) => text.trim()).filter((text) => text !== '').join('\n');
  return {
    name,
    description: said === '' ? undefined : said,
    examples: Array.isArray(examples) && examples.length === 0 ? [] : check.checkTexts(examples, `the examples of ${what}`),
    not: [],
  };
}

/** The names of a schema's own properties, with their descriptions: nothing below them, so that a schema with cycles does no harm. */
function parametersOf(schema: unknown, what: string): string[] {
  if (schema === undefined || schema === null) return [];
  if (typeof schema !== 'object') throw check.invalid(`the schema of ${what}`, 'an object', schema);
  const { properties } = schema as { properties?: Record<string, unknown> };
  return Object.entries(Object(properties) as object).map(([name, property]) => {
    const { description } = Object(property) as { description?: unknown };
    return typeof description === 'string' ? `${name}: ${description}` : name;
  });
}
