// SPDX-License-Identifier: GPL-3.0-or-later
// Data forms of the server (XEP-0004): fields to fill in, and results to read. Whatever a form holds is shown as text.
import { linkRow } from "/account/links.js";
import { NS } from "/xmpp.js";

const children = (parent, name) => [...parent.children].filter((child) => child.localName === name);
const text = (parent, name) => children(parent, name)[0]?.textContent || "";
const values = (parent) => children(parent, "value").map((value) => value.textContent);

export const formOf = (command) => [...command.children].find((child) => child.namespaceURI === NS.form && child.localName === "x");

export function make(tag, properties = {}, ...inside) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...inside);
  return made;
}

const lines = (given) => given.split("\n").map((line) => line.trim()).filter(Boolean);

function described(box, input, field, id) {
  const hint = text(field, "desc");
  if (hint) {
    box.append(make("small", { id: `${id}-hint`, textContent: hint }));
    input.setAttribute("aria-describedby", `${id}-hint`);
  }
  return box;
}

const labelled = (field, input, label, id) => described(make("p", {}, make("label", { htmlFor: id, textContent: label }), input), input, field, id);

const OFF = { autocomplete: "off", spellcheck: false, autocapitalize: "none" };

function choices(field) {
  return children(field, "option").map((option) => {
    const value = text(option, "value");
    return { value, label: option.getAttribute("label") || value };
  });
}

function checkbox(field, label, id) {
  const input = make("input", { type: "checkbox", id });
  return {
    box: described(make("p", {}, make("label", { className: "inline" }, input, ` ${label}`)), input, field, id),
    values: () => [input.checked ? "1" : "0"],
    fill: ([value]) => {
      input.checked = ["1", "true"].includes(value);
    },
    shown: () => (input.checked ? "✓" : ""),
  };
}

function several(field, label, id) {
  const options = choices(field).map(({ value, label: name }) => ({ name, input: make("input", { type: "checkbox", value }) }));
  const rows = options.map(({ name, input }) => make("p", {}, make("label", { className: "inline" }, input, ` ${name}`)));
  const box = make("fieldset", {}, make("legend", { textContent: label }), ...rows);
  const chosen = () => options.filter(({ input }) => input.checked);
  return {
    box: described(box, box, field, id),
    values: () => chosen().map(({ input }) => input.value),
    fill: (wanted) => {
      for (const { input } of options) input.checked = wanted.includes(input.value);
    },
    shown: () => chosen().map(({ name }) => name).join("\n"),
  };
}

function oneOf(field, label, id, required) {
  const options = choices(field);
  const input = make("select", { id, required }, ...[{ value: "", label: "–" }, ...options].map(({ value, label: name }) => make("option", { value, textContent: name })));
  return {
    box: labelled(field, input, label, id),
    values: () => (input.value ? [input.value] : []),
    fill: ([value = ""]) => {
      input.value = options.some((option) => option.value === value) ? value : "";
    },
    shown: () => (input.value ? input.selectedOptions[0].textContent : ""),
  };
}

function written(field, label, id, required, kind) {
  const many = kind.endsWith("-multi");
  const type = kind === "text-private" ? "password" : "text";
  const input = many ? make("textarea", { id, required, rows: 4, ...OFF }) : make("input", { id, required, type, className: "wide", ...OFF });
  const typed = kind === "text-multi" ? () => input.value.split("\n") : many ? () => lines(input.value) : () => [type === "password" ? input.value : input.value.trim()];
  return {
    box: labelled(field, input, label, id),
    values: typed,
    fill: (given) => {
      input.value = given.join("\n");
    },
    shown: () => (type === "password" ? "•".repeat(input.value.length) : typed().join("\n")),
  };
}

// Its fields, each with what is sent of it, and how it is shown before that.
function control(field, id) {
  const kind = field.getAttribute("type") || "text-single";
  const name = field.getAttribute("var") || "";
  const label = field.getAttribute("label") || name;
  const required = children(field, "required").length > 0;
  const given = values(field);
  if (kind === "fixed") return { name: "", box: make("p", { className: "fixed", textContent: given.join("\n") }) };
  if (kind === "hidden") return { name, values: () => given, fill: () => {} };
  const made = kind === "boolean" ? checkbox(field, label, id)
    : kind === "list-multi" ? several(field, label, id)
      : kind === "list-single" ? oneOf(field, label, id, required)
        : written(field, label, id, required, kind);
  made.fill(given);
  return { name, label, ...made };
}

export const controls = (form) => children(form, "field").map((field, index) => control(field, `field-${index}`));

export const instructions = (form) => children(form, "instructions").map((words) => make("p", { className: "fixed", textContent: words.textContent }));

export const title = (form) => text(form, "title");

// What a command has found or made.
const isLink = (value) => /^(https|xmpp):\S+$/i.test(value);

function table(form, reported) {
  const columns = children(reported, "field").filter((field) => field.getAttribute("type") !== "hidden");
  const head = columns.map((field) => make("th", { scope: "col", textContent: field.getAttribute("label") || field.getAttribute("var") }));
  const rows = children(form, "item").map((item) => make("tr", {}, ...columns.map((column) => {
    const cell = children(item, "field").find((field) => field.getAttribute("var") === column.getAttribute("var"));
    return make("td", { textContent: cell ? values(cell).join("\n") : "" });
  })));
  const caption = title(form) ? [make("caption", { textContent: title(form) })] : [];
  return make("table", {}, ...caption, make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...rows));
}

// Parts to show of a form, and the links in it, which a note may have as well.
export function results(form) {
  const shown = children(form, "field").filter((field) => field.getAttribute("type") !== "hidden");
  const links = shown.flatMap(values).filter(isLink);
  const rest = shown
    .map((field) => [field.getAttribute("label") || "", values(field).filter((value) => !isLink(value)).join("\n")])
    .filter(([, value]) => value)
    .map(([label, value]) => make("p", { className: "fixed" }, ...(label ? [make("b", { textContent: label }), `\n${value}`] : [value])));
  const [reported] = children(form, "reported");
  const list = links.length ? [make("ul", { className: "rows" })] : [];
  return { links, parts: [...rest, ...(reported ? [table(form, reported)] : []), ...list], fill: () => list[0]?.append(...links.map(linkRow)) };
}
