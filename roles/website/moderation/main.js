// SPDX-License-Identifier: GPL-3.0-or-later
// The page for moderators: the commands (XEP-0050) that the server has for them. It knows none of them but by name, so what the server adds is there.
// Like the account page, it is an XMPP client that stores nothing.
import { OF_MODERATORS, command, field, moderation, submission } from "/account/commands.js";
import { about, act, focusOn } from "/account/parts.js";
import { session } from "/account/session.js";
import { at, said, show } from "/page.js";
import { Problem } from "/xmpp.js";
import { controls, formOf, instructions, make, results, title } from "./forms.js";

// These end nothing and delete nothing. All others, also those that the server adds some day, ask before they are done.
const HARMLESS = ["account", "unban", "invite"].map((verb) => `${OF_MODERATORS}${verb}`);
const panel = at("command");
const stage = at("stage");

let offered = [];
let current = null; // the command in the panel: its node and name, the session of the server, the controls of its form, whether that is open
const entered = new Map(); // what was entered in it, by the names of the fields
let resumed = false; // after a session that has ended, what was entered is put in again

const heading = () => stage.querySelector("h2");
const formIn = () => stage.querySelector("form");

function remember() {
  for (const { name, label, values } of current?.controls || []) if (name && label) entered.set(name, values());
}

function mark(node) {
  for (const button of at("commands").querySelectorAll("button")) {
    if (button.dataset.node === node) button.setAttribute("aria-current", "true");
    else button.removeAttribute("aria-current");
  }
}

// In the panel. A form or an answer that is new has the focus, by its heading.
async function run(action) {
  const [mine, before] = [current, heading()];
  await act(panel, async () => {
    try {
      return await action();
    } catch (problem) {
      if (mine === current) throw problem;
      return ""; // another one was opened meanwhile
    }
  });
  if (heading() && heading() !== before) heading().focus();
}

function close() {
  current = null;
  resumed = false;
  entered.clear();
  stage.replaceChildren();
  at("results").replaceChildren();
  show("command", false);
  mark("");
}

const send = (action, form) =>
  command(current.node, { action, ...(current.session && { sessionid: current.session }) }, form, { "item-not-found": "gone", forbidden: "gone" });

// ---------------------------------------------------------------------- what the server answers
// A form to fill in, or what was done: its notes are said. An error leaves what was entered where it is.
function take(answer) {
  const done = answer.getAttribute("status") !== "executing";
  const notes = [...answer.children].filter((child) => child.localName === "note");
  const words = (wanted) => notes.filter((note) => (note.getAttribute("type") === "error") === wanted).map((note) => note.textContent).join("\n");
  const form = formOf(answer);
  const wrong = words(true);
  current.session = done ? "" : answer.getAttribute("sessionid");
  if (form && !done) build(form, answer);
  if (wrong) throw new Problem("server", { words: wrong });
  if (!done) return words(false);
  const { links, parts, fill } = form ? results(form) : { links: [], parts: [], fill: () => {} };
  at("results").replaceChildren(...parts);
  fill();
  stage.replaceChildren(headed(current.name));
  Object.assign(current, { controls: [], open: false });
  entered.clear();
  return words(false).split("\n").filter((line) => !links.includes(line)).join("\n") || said("done");
}

const ACTIONS = { prev: said("prev"), next: said("next"), complete: said("complete") };

function build(form, answer) {
  const actions = [...answer.children].find((child) => child.localName === "actions");
  const offers = [...(actions?.children || [])].map((child) => child.localName).filter((name) => name in ACTIONS);
  const forward = offers.filter((name) => name !== "prev");
  const wanted = actions?.getAttribute("execute");
  const usual = forward.includes(wanted) ? wanted : forward[0] || "complete";
  Object.assign(current, { controls: controls(form), open: true });
  if (resumed) for (const { name, fill } of current.controls) if (entered.has(name)) fill(entered.get(name));
  const button = (action) => make("button", { type: "button", textContent: ACTIONS[action], onclick: () => proceed(action) });
  const submit = make("button", { type: "submit", className: "button", textContent: asksBefore(usual) ? said("next") : ACTIONS[usual] });
  const more = [...new Set(offers)].filter((action) => action !== usual).map(button);
  const cancel = make("button", { type: "button", textContent: said("cancel"), onclick: giveUp });
  const fields = current.controls.flatMap(({ box }) => box || []);
  const made = make("form", {}, ...fields, make("p", { className: "buttons" }, submit, ...more, cancel));
  made.addEventListener("submit", (event) => {
    event.preventDefault();
    proceed(usual);
  });
  stage.replaceChildren(headed(title(form) || current.name), ...instructions(form), made);
}

const headed = (words) => make("h2", { textContent: words, tabIndex: -1 });

// ---------------------------------------------------------------------- what the moderator does
const asksBefore = (action) => action === "complete" && !HARMLESS.includes(current.node);

function proceed(action) {
  if (action !== "prev" && !formIn().reportValidity()) return;
  if (asksBefore(action)) askBefore();
  else run(() => submit(action));
}

async function submit(action) {
  remember();
  const before = current;
  const fields = current.controls.filter(({ name }) => name).map(({ name, values }) => field(name, ...values()));
  const answer = await send(action, action === "prev" ? null : submission(...fields));
  return before === current ? take(answer) : "";
}

// What was entered, to be read once more.
function askBefore() {
  const form = formIn();
  const rows = current.controls.filter(({ label }) => label).map(({ label, shown }) =>
    make("div", {}, make("dt", { textContent: label }), make("dd", { textContent: shown() || "–" })));
  const question = make("p", { textContent: said("check"), tabIndex: -1 });
  const back = (wanted) => {
    step.remove();
    form.hidden = false;
    form.querySelector(wanted).focus();
  };
  const yes = make("button", { type: "button", className: "button", textContent: about("confirm", current.name), onclick: () => {
    back("[type=submit]");
    run(() => submit("complete"));
  } });
  const no = make("button", { type: "button", textContent: said("change"), onclick: () => back("input, select, textarea, button") });
  const step = make("div", { className: "check" }, question, make("dl", {}, ...rows), make("p", { className: "buttons" }, yes, no));
  for (const told of panel.querySelectorAll("[role]")) told.textContent = "";
  form.hidden = true;
  stage.append(step);
  question.focus();
}

function giveUp() {
  const { node, session: known } = current;
  const chosen = [...at("commands").querySelectorAll("button")].find((button) => button.dataset.node === node);
  // The server forgets it in any case.
  if (known) send("cancel").catch(() => {});
  close();
  chosen?.focus();
}

function open(one) {
  close();
  begin(one);
}

function begin({ node, name }) {
  const opened = { node, name, session: "", controls: [], open: false };
  current = opened;
  stage.replaceChildren(headed(name));
  show("command");
  mark(node);
  heading().focus();
  run(async () => {
    const answer = await send("execute");
    return current === opened ? take(answer) : "";
  });
}

// ---------------------------------------------------------------------- who is logged in
session({
  admit: async () => {
    offered = await moderation();
    if (!offered.length) throw new Problem("no-moderator");
  },
  entered: () => {
    at("commands").replaceChildren(...offered.map((one) => {
      const button = make("button", { type: "button", textContent: one.name, onclick: () => open(one) });
      button.dataset.node = one.node;
      return make("li", {}, button);
    }));
    const again = current && offered.find(({ node }) => node === current.node);
    if (again) begin(again);
    else focusOn(at("inside"));
  },
  // What was fetched goes, what was entered is put into the same form after the next login.
  left: () => {
    if (current?.open) {
      remember();
      current.controls = [];
      resumed = true;
    } else {
      close();
    }
    stage.replaceChildren();
    at("results").replaceChildren();
    at("commands").replaceChildren();
    for (const told of panel.querySelectorAll("[role]")) told.textContent = "";
  },
  cleared: close,
});
