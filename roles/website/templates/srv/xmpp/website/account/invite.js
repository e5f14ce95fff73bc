// SPDX-License-Identifier: GPL-3.0-or-later
// The account page: links by which others get an account here (XEP-0401). The server counts them (mod_xmpp_invitations.erl), and says how many are
// left. Without invitations by members (xmpp_inviters) the page has no such part.
import { at, drawCode, said } from "/page.js";
import { NS, Problem, Refusal, element } from "/xmpp.js";
import { ask, me, onSubmit } from "./parts.js";

const COMMANDS = "http://jabber.org/protocol/commands";
const CREATE = "urn:xmpp:invite#create-account";

const field = (name, value) => element(NS.form, "field", { var: name }, element(NS.form, "value", {}, value));

// A refusal has the server's words, in the language of the page.
async function command(...children) {
  try {
    return await ask("set", element(COMMANDS, "command", { node: CREATE, action: "execute" }, ...children), { to: me.domain });
  } catch (refusal) {
    const words = refusal instanceof Refusal && refusal.answer.querySelector("error > text")?.textContent;
    throw words ? new Problem("server", { words }) : refusal;
  }
}

export async function load() {
  at("invitations-left").textContent = (await command()).querySelector("instructions")?.textContent || "";
}

function row(link) {
  const made = document.createElement("li");
  const address = document.createElement("a");
  address.className = "address";
  address.href = address.textContent = link;
  const copy = document.createElement("button");
  copy.type = "button";
  copy.textContent = said("copy");
  copy.addEventListener("click", async () => {
    const told = at("invite").querySelector("[role=status]");
    try {
      await navigator.clipboard.writeText(link);
      told.textContent = said("copied");
    } catch {
      getSelection().selectAllChildren(address); // a browser that does not let a page copy
    }
  });
  const code = document.createElement("div");
  code.className = "code";
  code.setAttribute("role", "img");
  code.setAttribute("aria-label", said("code"));
  drawCode(code, link);
  made.append(address, copy, code);
  return made;
}

if (at("invite")) {
  onSubmit("invite", async () => {
    const name = at("invite-name").value.trim().toLowerCase();
    const form = [field("username", name), field("roster-subscription", at("invite-contact").checked ? "1" : "0")];
    const answer = await command(element(NS.form, "x", { type: "submit" }, ...form));
    const link = answer.querySelector('field[var="landing-url"] > value').textContent;
    at("invitations").prepend(row(link));
    at("invite").querySelector("form").reset();
    await load();
    return said("invited");
  });
}
