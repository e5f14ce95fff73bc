// SPDX-License-Identifier: GPL-3.0-or-later
// What the parts of the account page share: who is logged in, how an action runs, and lists with a button in each row.
import { at, said } from "/page.js";
import { Problem, Refusal, bare } from "/xmpp.js";

// The account, with the stream that is logged in to it; null before and after.
export const me = { name: "", domain: "", stream: null };

// An answer that comes after the logout is not for whoever is logged in by then.
export const ask = async (type, payload, options) => {
  const { stream } = me;
  if (!stream) throw new Problem("expired");
  const answer = await stream.ask(type, payload, options);
  if (me.stream !== stream) throw new Problem("expired");
  return answer;
};

// What somebody does not have is no error.
export async function got(payload) {
  try {
    return (await ask("get", payload)).firstElementChild;
  } catch (refusal) {
    if (refusal.conditions?.includes("item-not-found")) return null;
    throw refusal;
  }
}

export const about = (name, what) => said(name).replace("#", () => what); // in a string, $ would mean something

const sentence = (problem) => (problem instanceof Problem ? problem.sentence : said("server"));

// The same question, with the sentence of what its refusal means.
export async function meant(sentences, asked) {
  try {
    return await asked;
  } catch (refusal) {
    const name = refusal instanceof Refusal && refusal.conditions.map((condition) => sentences[condition]).find(Boolean);
    throw name ? new Problem(name) : refusal;
  }
}

// Presence has no answer, but that the server does not allow it (to a limited account, say): its words, by address, until the action is done.
export async function withRefusals(action) {
  const { stream } = me;
  const words = new Map();
  const hear = (stanza) => {
    if (stanza.localName !== "presence" || !stanza.querySelector("error > not-allowed")) return;
    words.set(bare(stanza.getAttribute("from") || ""), stanza.querySelector("error > text")?.textContent || "");
  };
  stream?.listeners.add(hear);
  try {
    return await action(words);
  } finally {
    stream?.listeners.delete(hear);
  }
}

// Runs what somebody asked for in a part of the page, locked meanwhile, and says there how it went. The action returns a sentence, or nothing.
export async function act(part, action) {
  const [failed, done] = ["alert", "status"].map((role) => part.querySelector(`[role="${role}"]`));
  const focused = part.contains(document.activeElement) && document.activeElement;
  // A screen reader does not see what is locked, and so not what is said there.
  const lock = (locked) => {
    for (const child of part.children) child.inert = locked && child !== failed && child !== done;
  };
  failed.textContent = "";
  if (done) done.textContent = "";
  lock(true);
  const began = me.stream;
  let [told, wrong] = ["", ""];
  try {
    told = await action();
  } catch (problem) {
    wrong = began === me.stream ? sentence(problem) : ""; // whose session has ended is told so elsewhere
  }
  lock(false);
  failed.textContent = wrong;
  if (done && told) done.textContent = told;
  // What is locked loses the focus. A row that is gone leaves it to its part.
  if (focused && [focused, document.body].includes(document.activeElement)) {
    if (part.contains(focused)) focused.focus();
    else focusOn(part);
  }
}

export function focusOn(part) {
  part.tabIndex = -1;
  part.focus();
}

export function onSubmit(id, action) {
  const part = at(id);
  part.querySelector("form").addEventListener("submit", (event) => {
    event.preventDefault();
    act(part, action);
  });
}

export const figure = (name, number) => {
  at(`figure-${name}`).textContent = number;
};

// What a row is about. Its app may say later how it is called.
export function call(row, title) {
  row.querySelector("b").textContent = title;
  for (const button of row.querySelectorAll("button")) button.setAttribute("aria-label", `${button.textContent}: ${title}`);
}

// Rows of {title, text, button: [name of its sentence, action]}, or several `buttons`; what somebody is asked before is *sure*.
export function list(id, rows, nothing = "none") {
  const box = at(id);
  const part = box.closest("#inside > div");
  const made = rows.map(({ title, text, button, buttons = button ? [button] : [], sure }) => {
    const row = document.createElement("li");
    const words = document.createElement("span");
    const what = document.createElement("b");
    what.className = "address";
    words.append(what);
    if (text) {
      const more = document.createElement("small");
      more.textContent = text;
      words.append(" ", more);
    }
    row.append(words);
    const pressed = document.createElement("span");
    for (const [label, action] of buttons) {
      const press = document.createElement("button");
      press.type = "button";
      press.textContent = said(label);
      press.addEventListener("click", () => (!sure || confirm(about(sure, what.textContent))) && act(part, action));
      pressed.append(press, " ");
    }
    if (buttons.length) row.append(pressed);
    call(row, title);
    return row;
  });
  const none = document.createElement("li");
  none.textContent = said(nothing);
  box.replaceChildren(...(made.length ? made : [none]));
  return made;
}
