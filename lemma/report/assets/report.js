"use strict";
// Everything from the run reaches the page through textContent and setAttribute; the policy forbids the rest.
(() => {
  const $ = (id) => document.getElementById(id);
  const data = JSON.parse($("data").textContent);
  const items = data.items;
  const PAGE = 100;
  const MATH = "http://www.w3.org/1998/Math/MathML";
  const PARTS = ["prefix", "reflection", "continuation"];
  const CLAIMS = {
    answer_is_wrong: "the wrong solution's answer is wrong",
    type_is_right: "the error type is right",
    step_is_first_wrong: "the marked step is the first wrong one",
    reflection_is_true: "the reflection is true",
    correction_is_right: "the correction is right",
  };

  function make(tag, properties, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(properties || {})) {
      if (name === "class") element.className = value;
      else element.setAttribute(name, value);
    }
    element.append(...children.filter((child) => child !== null && child !== ""));
    return element;
  }

  // ── light and dark ──

  const themes = ["auto", "light", "dark"];
  let theme = "auto";
  const store = (act) => { try { return act(localStorage); } catch { return null; } };
  function showTheme() {
    if (theme === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    $("theme").textContent = `Theme: ${theme}`;
  }
  theme = store((kept) => kept.getItem("lemma-theme")) || "auto";
  if (!themes.includes(theme)) theme = "auto";
  $("theme").hidden = false;
  $("theme").addEventListener("click", () => {
    theme = themes[(themes.indexOf(theme) + 1) % themes.length];
    store((kept) => kept.setItem("lemma-theme", theme));
    showTheme();
  });
  showTheme();

  // ── texts ──

  const pattern = new RegExp(data.pattern, "g");

  function mathematics(tree) {
    const [tag, attributes, ...children] = tree;
    const element = document.createElementNS(MATH, tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...children.map((child) => (typeof child === "string" ? child : mathematics(child))));
    return element;
  }

  function withHits(parent, text) {
    const wanted = $("query").value.trim().toLowerCase();
    const low = text.toLowerCase();
    // where lowering changes the length, offsets would be off
    if (!wanted || low.length !== text.length) return parent.append(text);
    let from = 0;
    for (let at = low.indexOf(wanted); at >= 0; at = low.indexOf(wanted, from)) {
      parent.append(text.slice(from, at), make("mark", null, text.slice(at, at + wanted.length)));
      from = at + wanted.length;
    }
    parent.append(text.slice(from));
  }

  function written(text, properties) {
    const element = make("div", { class: "text", dir: "auto", ...properties });
    let from = 0;
    for (const match of text.matchAll(pattern)) {
      const tree = Object.hasOwn(data.mathematics, match[0]) ? data.mathematics[match[0]] : null;
      if (tree === null) continue;
      withHits(element, text.slice(from, match.index));
      element.append(mathematics(tree));
      from = match.index + match[0].length;
    }
    withHits(element, text.slice(from));
    return element;
  }

  function ticked(text) {
    return make("p", null, ...text.split("`").map((piece, at) => (at % 2 ? make("code", null, piece) : piece)));
  }

  const trimmed = (text) => text.replace(/^\n+|\s+$/g, "");

  function piece(kind, label, text) {
    if (!text.trim()) return null;
    return make("div", { class: `piece ${kind}` }, make("span", { class: "label" }, label), written(trimmed(text)));
  }

  function card(title, ...children) {
    return make("section", { class: "card" }, make("h4", null, title), ...children);
  }

  // ── one item ──

  const problemOf = (item) => item.kind === "kept" ? item.record.mistake.problem : item.record.unit.problem;
  const plain = (word) => word.replaceAll("_", " ");

  function solution(mistake, wrong) {
    const text = mistake.solution;
    return [
      piece("", "before the error", text.slice(0, wrong[0])),
      piece("wrong", `first wrong step (step ${mistake.first_error_step})`, text.slice(wrong[0], wrong[1])),
      piece("", "the rest of the wrong solution", text.slice(wrong[1])),
    ];
  }

  function parts(trajectory, mistake, wrong) {
    const solved = mistake.solution;
    // smoothing with `scope: whole` rewords the prefix: then the step cannot be told apart in it
    const same = trajectory.prefix === solved.slice(0, wrong[1]);
    return [
      ...(same
        ? [piece("", "before the error", solved.slice(0, wrong[0])), piece("wrong", "first wrong step", solved.slice(wrong[0], wrong[1]))]
        : [piece("wrong", "through the first wrong step", trajectory.prefix)]),
      piece("reflection", "reflection", trajectory.reflection),
      piece("continuation", "continuation", trajectory.continuation),
    ];
  }

  function checks(item) {
    const { record } = item;
    const mistake = record.mistake;
    const lines = [
      [true, `its answer ${record.answer} equals the reference ${mistake.problem.answer} (decided when it was made)`],
      [true, `the mistake's answer ${mistake.answer} differs from it (decided likewise)`],
      [mistake.solution.startsWith(record.prefix), "it begins with the mistake's own text, character for character"],
      [record.reflection.trim() !== "", "a reflection stands between error and correction"],
      [!item.outcome.startsWith("left out"), `the export: ${item.outcome}${item.detail ? ` (${item.detail})` : ""}`],
    ];
    for (const [claim, said] of Object.entries(item.said)) lines.push([false, `a reader: "${CLAIMS[claim] || claim}" is ${said}`]);
    for (const note of item.notes) lines.push([null, `a reader's note: ${note}`]);
    return make("ul", { class: "checks" }, ...lines.map(([holds, text]) =>
      make("li", holds === false ? { class: "bad" } : null, `${holds === null ? "·" : holds ? "✓" : "✗"} ${text}`)));
  }

  function facts(pairs) {
    const list = make("dl", { class: "facts" });
    for (const [name, value] of pairs) {
      if (value) list.append(make("dt", null, name), make("dd", null, make("bdi", null, String(value))));
    }
    return list;
  }

  function reasonOf(item) {
    if (!item.reason) return null;
    const [meaning, advice] = Object.hasOwn(data.reasons, item.reason) ? data.reasons[item.reason] : ["", ""];
    const text = [meaning && `${meaning[0].toUpperCase()}${meaning.slice(1)}.`, advice].filter(Boolean).join(" ");
    return card(`${item.kind === "kept" ? "Left out at export" : `Rejected in ${item.stage}`}: ${item.reason}`,
      make("div", { class: "piece wrong" }, item.detail ? written(item.detail) : null, ticked(text)));
  }

  function whole(item) {
    const record = { ...item.record };
    if (item.kind !== "kept") return record;
    const ordered = {};
    for (const [name, value] of Object.entries(record)) {
      if (name === "answer") ordered.text = PARTS.map((part) => record[part]).join("");
      ordered[name] = value;
    }
    return ordered;
  }

  async function copy(text, button) {
    const label = button.textContent;
    let done = true;
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      const area = make("textarea", { class: "hidden", "aria-hidden": "true", tabindex: "-1" });
      area.value = text;
      document.body.append(area);
      area.select();
      done = document.execCommand("copy");
      area.remove();
    }
    button.textContent = done ? "Copied" : "Could not copy";
    setTimeout(() => { button.textContent = label; }, 1500);
  }

  function headOf(item) {
    const asJson = make("button", { type: "button", "data-copy": "json" }, "Copy as JSON");
    asJson.addEventListener("click", () => copy(JSON.stringify(whole(item), null, 1), asJson));
    const link = make("button", { type: "button", "data-copy": "link" }, "Copy link");
    link.addEventListener("click", () => copy(location.href.split("#")[0] + anchor(item), link));
    const steps = [["Previous", -1], ["Next", 1]].map(([label, by]) => {
      const button = make("button", { type: "button" }, label);
      button.disabled = !matches[matches.indexOf(item) + by];
      button.addEventListener("click", () => step(by));
      return button;
    });
    return make("div", { class: "heads" }, make("code", null, item.id), ...steps, asJson, link);
  }

  function show(item) {
    const detail = $("detail");
    const problem = problemOf(item);
    const mistake = item.kind === "kept" ? item.record.mistake : item.wrong ? item.sample : null;
    const by = item.record.made_by || {};
    const described = facts([
      ["run", data.runs.length > 1 ? data.runs[item.run] : ""],
      ["outcome", item.outcome],
      ["dataset", item.dataset + (item.level ? ` · ${item.level}` : "")],
      ["error type", plain(item.type)],
      ["strategy", plain(item.strategy)],
      ["mistake by", mistake ? `${mistake.model} (${mistake.origin})` : item.sample ? item.sample.model : ""],
      ["made by", by.model ? `${by.model}, in ${by.stage}` : ""],
    ]);
    const blocks = [headOf(item), described, reasonOf(item), card("Question", written(problem.question))];
    if (item.kind === "kept") {
      const after = card(item.record.is_smoothed ? "Trajectory, smoothed" : "Trajectory", ...parts(item.record, mistake, item.wrong));
      const before = item.before ? card("Before smoothing", ...parts(item.before, mistake, item.wrong)) : null;
      blocks.push(before ? make("div", { class: "columns" }, after, before) : after);
      blocks.push(card("Checks", checks(item)));
    } else if (item.before && mistake) {
      blocks.push(card("The trajectory to smooth", ...parts(item.before, mistake, item.wrong)));
    }
    if (item.reply) blocks.push(card("The teacher's last reply", make("div", { class: "piece" }, written(item.reply))));
    const reference = card("Reference solution", make("div", { class: "piece" }, written(problem.reference_solution)), make("p", null, `Answer: ${problem.answer}`));
    if (mistake) {
      const wrongOne = card("The wrong solution", ...solution(mistake, item.wrong), mistake.explanation ? make("p", null, written(mistake.explanation)) : null);
      blocks.push(make("div", { class: "columns" }, wrongOne, reference));
    } else if (item.sample) {
      blocks.push(make("div", { class: "columns" }, card("The student's solution", make("div", { class: "piece" }, written(item.sample.text))), reference));
    } else blocks.push(reference);
    detail.replaceChildren(...blocks.filter((block) => block !== null));
  }

  // ── filters and list ──

  const FILTERS = [
    ["Run", (item) => (data.runs.length > 1 ? data.runs[item.run] : "")],
    ["Outcome", (item) => item.outcome],
    ["Dataset", (item) => item.dataset],
    ["Error type", (item) => item.type],
    ["Strategy", (item) => item.strategy],
    ["Origin", (item) => item.origin],
    ["Level", (item) => item.level],
  ];
  const ANY_OUTCOME = { "kept": "all kept", "rejected": "all rejected" };
  const selects = [];
  let matches = [];
  let shown = PAGE;
  let selected = null;

  function strings(value, found) {
    if (typeof value === "string") found.push(value);
    else if (value && typeof value === "object") for (const one of Object.values(value)) strings(one, found);
    return found;
  }
  const texts = new Map();
  function textOf(item) {
    if (!texts.has(item)) {
      texts.set(item, strings([item.id, item.outcome, item.detail, item.reply, item.record, item.before, item.sample], []).join("\n").toLowerCase());
    }
    return texts.get(item);
  }

  function option(value, label) {
    return make("option", { value }, label);
  }

  for (const [name, read] of FILTERS) {
    const values = [...new Set(items.map(read))].filter((value) => value !== "").sort();
    if (values.length < 2) continue;
    const select = make("select", { "data-filter": name }, option("", "all"));
    if (name === "Outcome") for (const [kind, label] of Object.entries(ANY_OUTCOME)) select.append(option(`kind:${kind}`, label));
    values.forEach((value, at) => select.append(option(`at:${at}`, name === "Run" ? value : plain(value))));
    select.addEventListener("change", () => filter());
    selects.push([select, read, values]);
    $("filters").append(make("label", null, name, select));
  }
  const reset = make("button", { type: "reset" }, "Reset");
  $("filters").append(reset);

  function passes(item) {
    return selects.every(([select, read, values]) => {
      const value = select.value;
      if (value === "") return true;
      if (value.startsWith("kind:")) return item.kind === value.slice(5);
      return read(item) === values[Number(value.slice(3))];
    });
  }

  const anchor = (item) => `#${encodeURIComponent(item.id)}`;

  function entry(item) {
    const labels = [item.type, item.strategy, item.origin].filter(Boolean).map(plain);
    const link = make("a", { href: anchor(item) },
      make("span", { class: "question", dir: "auto" }, problemOf(item).question.slice(0, 300)),
      make("span", { class: "labels" }, labels.join(" · ")));
    if (item.reason) link.append(make("span", { class: "labels rejected" }, item.outcome));
    if (item === selected) link.setAttribute("aria-current", "true");
    return make("li", null, link);
  }

  function listMatches() {
    $("list").replaceChildren(...matches.slice(0, shown).map(entry));
    $("more").hidden = matches.length <= shown;
    $("count").textContent = `${matches.length.toLocaleString("en")} of ${items.length.toLocaleString("en")}`;
  }

  function filter() {
    const wanted = $("query").value.trim().toLowerCase();
    matches = items.filter((item) => passes(item) && (!wanted || textOf(item).includes(wanted)));
    shown = PAGE;
    if (!matches.includes(selected)) selected = matches[0] || null;
    listMatches();
    if (selected) show(selected);
    else $("detail").replaceChildren(make("p", null, "Nothing matches."));
  }

  function select(item, isFollowed) {
    selected = item;
    const at = matches.indexOf(item);
    if (at >= shown) shown = at + PAGE;
    listMatches();
    show(item);
    const current = $("list").querySelector("[aria-current]");
    if (current) {
      const box = current.closest(".list");
      const top = current.offsetTop - box.offsetTop;
      if (top < box.scrollTop + 30 || top + current.offsetHeight > box.scrollTop + box.clientHeight) box.scrollTop = top - 60;
    }
    if (isFollowed) $("detail").scrollIntoView({ behavior: "instant", block: innerWidth > 900 ? "nearest" : "start" });
  }

  function follow() {
    let id = "";
    try { id = decodeURIComponent(location.hash.slice(1)); } catch { return; }
    const item = items.find((one) => one.id === id);
    if (!item) return;
    if (!matches.includes(item)) {
      $("filters").reset();
      filter();
    }
    select(item, true);
  }

  function step(by) {
    const at = matches.indexOf(selected) + by;
    if (at < 0 || at >= matches.length) return;
    history.replaceState(null, "", anchor(matches[at]));
    select(matches[at], false);
  }

  $("query").addEventListener("input", () => filter());
  $("filters").addEventListener("submit", (event) => event.preventDefault());
  $("filters").addEventListener("reset", () => setTimeout(filter));
  $("more").addEventListener("click", () => { shown += PAGE; listMatches(); });
  addEventListener("hashchange", follow);
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest("input, select, textarea")) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    if (event.key === "j") step(1);
    else if (event.key === "k") step(-1);
    else if (event.key === "/") $("query").focus();
    else return;
    event.preventDefault();
  });

  const all = data.all.kept + data.all.rejected;
  const number = (count) => count.toLocaleString("en");
  $("about").textContent = items.length === 0
    ? "There is nothing to look at yet."
    : (items.length < all ? `${number(items.length)} of ` : "")
      + `${number(data.all.kept)} kept trajectories and ${number(data.all.rejected)} rejections`
      + (items.length < all ? ", drawn so that every kind is seen: as many of each dataset, type, strategy and origin, and of each reason. " : ". ")
      + (data.left_out ? `${number(data.left_out)} more would have made the page too large. ` : "")
      + "Keys: j and k for the next and the one before, / to search.";
  if (items.length) {
    $("filters").hidden = $("browser").hidden = false;
    filter();
    follow();
  }
})();
