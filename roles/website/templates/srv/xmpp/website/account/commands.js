// SPDX-License-Identifier: GPL-3.0-or-later
// Commands of the server (XEP-0050), which says in the language of the page what comes of them.
import { NS, Problem, Refusal, element } from "/xmpp.js";
import { ask, me, meant } from "./parts.js";

const COMMANDS = "http://jabber.org/protocol/commands";
const ITEMS = "http://jabber.org/protocol/disco#items";
export const OF_MODERATORS = "conexizan:moderators#"; // mod_xmpp_moderators.erl

// A refusal has the server's words, or the sentence of what it means.
export async function command(node, attributes = {}, form = null, sentences = {}) {
  const payload = element(COMMANDS, "command", { node, action: "execute", ...attributes }, ...(form ? [form] : []));
  try {
    return (await meant(sentences, ask("set", payload, { to: me.domain }))).firstElementChild;
  } catch (refusal) {
    if (!(refusal instanceof Refusal)) throw refusal;
    const words = refusal.answer.querySelector("error > text")?.textContent;
    throw words ? new Problem("server", { words }) : refusal;
  }
}

export const submission = (...fields) => element(NS.form, "x", { type: "submit" }, ...fields);

export const field = (name, ...values) =>
  element(NS.form, "field", { var: name }, ...values.map((value) => element(NS.form, "value", {}, value)));

// What the account can do as a moderator: nothing, if it is none.
export async function moderation() {
  const answer = await ask("get", element(ITEMS, "query", { node: COMMANDS }), { to: me.domain }).catch((refusal) => {
    if (refusal instanceof Refusal) return null;
    throw refusal;
  });
  return [...(answer?.getElementsByTagNameNS(ITEMS, "item") || [])]
    .map((item) => ({ node: item.getAttribute("node") || "", name: item.getAttribute("name") }))
    .filter(({ node }) => node.startsWith(OF_MODERATORS));
}
