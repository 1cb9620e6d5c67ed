// What is seen of the model: an answer to what is typed, and the known answers to some rows beside it.

import { Model, readJson, said } from "./model.js";

const SHOWN = 8; // classes in an answer
const PAUSE = 150; // milliseconds of not typing after which an answer is given

const element = (id) => document.getElementById(id);

function cell(kind, content, name = "") {
  const made = document.createElement(kind);
  made.append(content);
  if (name) made.className = name;
  return made;
}

const percent = (share) => `${(100 * share).toFixed(1)}%`;

class Page {
  constructor(settings, model) {
    Object.assign(this, { settings, model });
    this.taught = Boolean(settings.rows[0]?.teacher);
    this.own = this.taught ? "student" : "model"; // what this model is called
    this.fields = [...document.querySelectorAll("textarea")];
  }

  get labels() {
    return this.settings.labels;
  }

  /** An answer in a word: the likeliest class, or the number. */
  named(answer) {
    return this.labels.length ? this.labels[answer.indexOf(Math.max(...answer))] : answer[0].toFixed(3);
  }

  start() {
    this.promise();
    element("status").textContent = "";
    for (const field of this.fields) field.disabled = false;
    let waiting;
    element("texts").addEventListener("input", () => {
      clearTimeout(waiting);
      waiting = setTimeout(() => this.answer(null), PAUSE);
    });
    if (this.settings.rows.length) this.list();
  }

  /** What the certificate says of this file; nothing where there is none. */
  promise() {
    const { certificate, model } = this.settings;
    this.promised = certificate?.models[model.replace("model/", "")];
    if (!this.promised) return;
    const { agrees_at_least: least, threshold, answers_alone: alone, temperature } = this.promised;
    const sure = `${percent(certificate.confidence)} confidence, ${certificate.rows} rows`;
    const alike = `agreement with the teacher of ${percent(certificate.agreement)}`;
    const terms = [["agrees with its teacher", `on ${percent(least)} of such rows, at least (${sure})`]];
    const where =
      threshold == null
        ? `nowhere: no ${alike} could be certified`
        : `from a confidence of ${threshold.toFixed(3)}: ${percent(alone)} of the rows, with an ${alike}`;
    if (this.labels.length) terms.push(["answers alone", where]);
    if (temperature != null) terms.push(["temperature", temperature.toFixed(2)]);
    for (const [name, text] of terms) element("promised").append(cell("dt", name), cell("dd", text));
    element("certificate").hidden = false;
  }

  /** Whether the certificate lets the model answer alone, in a sentence. */
  alone(logits) {
    const { threshold, temperature } = this.promised ?? {};
    if (threshold == null || !this.labels.length) return [];
    const confidence = Math.max(...said(logits.map((logit) => logit / (temperature ?? 1)), this.labels));
    const which = confidence >= threshold ? "may answer alone" : "would ask its teacher";
    return [`With a calibrated confidence of ${percent(confidence)} it ${which}.`];
  }

  async answer(known) {
    const texts = this.fields.map((field) => field.value);
    this.mark(known);
    element("answer").hidden = texts.every((text) => !text.trim());
    if (element("answer").hidden) return;
    const { logits, tokens, milliseconds } = await this.model.answer(texts);
    const answer = said(logits, this.labels);
    this.show(answer, known?.teacher);
    const cut = tokens >= this.settings.max_length ? `, cut at ${this.settings.max_length} tokens` : "";
    const notes = [`The answer is ${this.named(answer)}.`];
    notes.push(`${milliseconds.toFixed(1)} ms in this browser for ${tokens} tokens${cut}.`);
    if (known?.label != null) notes.push(`The label is ${known.label}.`);
    notes.push(...this.alone(logits));
    element("answer-note").textContent = notes.join(" ");
  }

  show(student, teacher) {
    const head = document.createElement("tr");
    head.append(cell("th", this.labels.length ? "class" : ""), cell("th", this.own));
    if (teacher) head.append(cell("th", "teacher"));
    for (const one of head.children) one.scope = "col";
    element("answer-head").replaceChildren(head);
    const order = student.map((_, number) => number).sort((one, other) => student[other] - student[one]);
    const rows = order.slice(0, SHOWN).map((number, place) => this.share(number, place, student, teacher));
    if (order.length > SHOWN) {
      const rest = (answer) => percent(order.slice(SHOWN).reduce((sum, number) => sum + answer[number], 0));
      const row = document.createElement("tr");
      row.append(cell("th", `${order.length - SHOWN} others`), cell("td", rest(student)));
      if (teacher) row.append(cell("td", rest(teacher)));
      rows.push(row);
    }
    element("answer-rows").replaceChildren(...rows);
  }

  share(number, place, student, teacher) {
    const row = document.createElement("tr");
    const name = cell("th", this.labels.length ? this.labels[number] : "number", place ? "" : "best");
    name.scope = "row";
    row.append(name);
    for (const [answer, whose] of [[student, "student"], [teacher, "teacher"]]) {
      if (!answer) continue;
      if (!this.labels.length) {
        row.append(cell("td", answer[0].toFixed(3)));
        continue;
      }
      const bar = document.createElement("i");
      bar.style.width = percent(answer[number]);
      const box = cell("div", percent(answer[number]), `share ${whose}`);
      box.append(bar);
      row.append(cell("td", box, answer[number] === Math.max(...answer) ? "best" : ""));
    }
    return row;
  }

  mark(known) {
    for (const row of element("known-rows").children) {
      if (row.known === known) row.setAttribute("aria-current", "true");
      else row.removeAttribute("aria-current");
    }
  }

  list() {
    const { rows } = this.settings;
    const labeled = rows[0].label !== null;
    const columns = ["text", ...(labeled ? ["label"] : []), ...(this.taught ? ["teacher"] : []), "student"];
    const names = columns.map((name) => (name === "student" ? this.own : name));
    element("known-head").append(...names.map((name) => Object.assign(cell("th", name), { scope: "col" })));
    element("known-rows").append(...rows.map((known) => this.listed(known, columns)));
    const choices = [["all", "all rows", () => true]];
    if (this.labels.length && this.taught) {
      const differ = (row) => this.named(row.student) !== this.named(row.teacher);
      choices.push(["teacher", "where student and teacher differ", differ]);
    }
    if (this.labels.length && labeled) {
      choices.push(["label", `where the ${this.own} is wrong`, (row) => this.named(row.student) !== row.label]);
    }
    const select = element("shown");
    select.append(...choices.map(([value, text, test]) => new Option(`${text} (${rows.filter(test).length})`, value)));
    select.addEventListener("change", () => {
      const [, , test] = choices.find(([value]) => value === select.value);
      for (const row of element("known-rows").children) row.hidden = !test(row.known);
    });
    element("run").disabled = false;
    element("run").addEventListener("click", () => this.run());
    element("known").hidden = false;
  }

  listed(known, columns) {
    const row = document.createElement("tr");
    const button = cell("button", known.texts.join(" / "), "row");
    button.type = "button";
    button.addEventListener("click", () => {
      this.fields.forEach((field, place) => (field.value = known.texts[place]));
      this.answer(known);
      element("try").scrollIntoView();
    });
    row.known = known;
    row.append(cell("td", button));
    for (const name of columns.slice(1)) {
      row.append(cell("td", name === "label" ? known.label : this.named(known[name])));
    }
    return row;
  }

  /** Answers all rows here, and says how the answers compare with those that came with the page. */
  async run() {
    const { rows } = this.settings;
    element("run").disabled = true;
    const took = [];
    let [alike, taught, furthest] = [0, 0, 0];
    for (const known of rows) {
      const { logits, milliseconds } = await this.model.answer(known.texts);
      const answer = said(logits, this.labels);
      took.push(milliseconds);
      alike += this.named(answer) === this.named(known.student);
      taught += this.taught && this.named(answer) === this.named(known.teacher);
      furthest = Math.max(furthest, ...answer.map((value, place) => Math.abs(value - known.student[place])));
      if (took.length % 10 === 0) {
        element("ran").textContent = `${took.length} of ${rows.length} …`;
        await new Promise((next) => setTimeout(next)); // let the page be drawn
      }
    }
    took.sort((one, other) => one - other);
    const at = (share) => took[Math.min(took.length - 1, Math.floor(share * took.length))].toFixed(1);
    const parts = [`Here: ${at(0.5)} ms a row (median; 95th percentile ${at(0.95)} ms).`];
    if (this.labels.length) {
      parts.push(`The same class as ONNX Runtime on ${alike} of ${rows.length} rows.`);
      if (this.taught) parts.push(`The same as the teacher on ${taught} of ${rows.length}.`);
    }
    const what = this.labels.length ? "probability" : "number";
    parts.push(`No ${what} is further than ${furthest.toFixed(3)} from ONNX Runtime's.`);
    element("ran").textContent = parts.join(" ");
    element("run").disabled = false;
  }
}

try {
  const settings = await readJson("page.json");
  new Page(settings, await Model.load(settings)).start();
} catch (error) {
  element("status").textContent = `The model can't be loaded: ${error.message}`;
  throw error;
}
