// The model in the browser: from texts to logits. Everything is read from beside this file.
//
// `settings` is what page.json says of the model: `inputs` names its tensors, `max_length` are the tokens at which a row
// is cut, and `layout` is a row's order of special tokens ({ids, types}) and texts ({text: 0 or 1, type}).

import * as ort from "./vendor/ort.js";
import { Tokenizer } from "./vendor/tokenizers.js";

const here = (name) => new URL(name, import.meta.url).href;

async function read(name) {
  const answer = await fetch(here(name));
  if (!answer.ok) throw new Error(`${name}: the server answers ${answer.status}`);
  return answer;
}

export const readJson = async (name) => (await read(name)).json();

/** How many tokens of each text stay, where all may be `room` long: the longer text is cut first. */
export function kept(lengths, room) {
  const all = lengths.reduce((sum, length) => sum + length, 0);
  if (all <= room) return lengths;
  if (lengths.length === 1) return [room];
  const shorter = Math.min(...lengths);
  const half = Math.floor(room / 2);
  const [few, many] = shorter <= half ? [shorter, room - shorter] : [half, room - half];
  return lengths[0] > lengths[1] ? [many, few] : [few, many];
}

/** A row's token ids and types. */
export function encode(tokenizer, settings, texts) {
  const ids = texts.map((text) => tokenizer.encode(text, { add_special_tokens: false }).ids);
  const special = settings.layout.reduce((sum, part) => sum + (part.ids?.length ?? 0), 0);
  const lengths = kept(ids.map((one) => one.length), settings.max_length - special);
  const row = { ids: [], types: [] };
  for (const part of settings.layout) {
    const added = part.ids ?? ids[part.text].slice(0, lengths[part.text]);
    row.ids.push(...added);
    row.types.push(...(part.types ?? added.map(() => part.type)));
  }
  return row;
}

export class Model {
  static async load(settings) {
    ort.env.wasm.numThreads = 1; // several need headers that static servers don't send
    ort.env.wasm.wasmPaths = { wasm: here("vendor/ort.wasm") };
    const [tokens, options, file] = await Promise.all([
      readJson("model/tokenizer.json"),
      readJson("model/tokenizer_config.json"),
      read(settings.model).then((answer) => answer.arrayBuffer()),
    ]);
    const session = await ort.InferenceSession.create(new Uint8Array(file), { executionProviders: ["wasm"] });
    const model = new Model(settings, new Tokenizer(tokens, options), session);
    await model.answer(settings.layout.filter((part) => !part.ids).map(() => "")); // the first answer takes longer
    return model;
  }

  constructor(settings, tokenizer, session) {
    Object.assign(this, { settings, tokenizer, session, last: Promise.resolve() });
  }

  /** The logits of one row, its number of tokens, and the milliseconds that both steps took; one row after another. */
  answer(texts) {
    const next = this.last.then(() => this.compute(texts));
    this.last = next.catch(() => {});
    return next;
  }

  async compute(texts) {
    const start = performance.now();
    const { ids, types } = encode(this.tokenizer, this.settings, texts);
    const values = { input_ids: ids, attention_mask: ids.map(() => 1), token_type_ids: types };
    const tensor = (name) => new ort.Tensor("int64", BigInt64Array.from(values[name], BigInt), [1, ids.length]);
    const output = await this.session.run(Object.fromEntries(this.settings.inputs.map((name) => [name, tensor(name)])));
    const logits = Array.from(Object.values(output)[0].data);
    return { logits, tokens: ids.length, milliseconds: performance.now() - start };
  }
}

/** What logits say: every class's probability, or of a regression the number itself. */
export function said(logits, labels) {
  if (!labels.length) return logits;
  const largest = Math.max(...logits);
  const shares = logits.map((logit) => Math.exp(logit - largest));
  const sum = shares.reduce((one, other) => one + other, 0);
  return shares.map((share) => share / sum);
}
