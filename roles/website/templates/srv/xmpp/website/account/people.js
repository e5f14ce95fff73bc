// SPDX-License-Identifier: GPL-3.0-or-later
// The account page: contacts (RFC 6121), who would like to be one (mod_xmpp_requests.erl), and blocked addresses (XEP-0191).
import { at, said } from "/page.js";
import { NS, Problem, element } from "/xmpp.js";
import { about, ask, figure, list, me, onSubmit, withRefusals } from "./parts.js";

const REQUESTS = "conexizan:requests";
const BLOCKING = "urn:xmpp:blocking";

// Somebody's address, or a whole server's.
export const isAddress = (text) => /^([^\s@/"&'<>:]+@)?[^\s@/"&'<>:]+$/.test(text);

// What people type as one.
export function address(text) {
  const typed = text.trim().toLowerCase();
  if (!isAddress(typed)) throw new Problem("no-address", { words: about("no-address", text.trim()) });
  return typed;
}

const jid = (item) => item.getAttribute("jid");
const byAddress = (one, other) => jid(one).localeCompare(jid(other));

function contact(item) {
  const state = item.getAttribute("ask") ? "asked" : { both: "", to: "to", from: "from" }[item.getAttribute("subscription")] ?? "listed";
  const groups = [...item.querySelectorAll("group")].map((group) => group.textContent).join(", ");
  return {
    title: jid(item),
    text: [item.getAttribute("name"), groups, state && said(state)].filter(Boolean).join(" · "),
    sure: "sure-contact",
    button: ["remove", async () => {
      await ask("set", element(NS.roster, "query", {}, element(NS.roster, "item", { jid: jid(item), subscription: "remove" })));
      await contacts();
      return about("removed", jid(item));
    }],
  };
}

const send = (type, to) => me.stream.send(element(NS.client, "presence", { to, type }));

// The server says nothing to it; in the list that is fetched next, it is done, or was refused.
const answer = (who, name, ...types) => withRefusals(async (refused) => {
  for (const type of types) send(type, who);
  if ((await fetched()).some((one) => jid(one) === who)) throw new Problem("server", { words: refused.get(who) });
  return about(name, who);
});

const request = (known) => (one) => {
  const who = jid(one);
  const item = known.find((other) => jid(other) === who);
  const seen = item && (item.getAttribute("ask") || ["to", "both"].includes(item.getAttribute("subscription")));
  return {
    title: who,
    text: one.textContent,
    buttons: [
      ["accept", () => answer(who, "accepted", "subscribed", ...(seen ? [] : ["subscribe"]))],
      ["refuse", () => answer(who, "refused-now", "unsubscribed")],
    ],
  };
};

// Who waits for an answer; what they wrote is the text of each.
export const asking = async () => [...(await ask("get", element(REQUESTS, "requests"))).querySelectorAll("request")];

async function fetched() {
  const items = [...(await ask("get", element(NS.roster, "query"))).querySelectorAll("item")].sort(byAddress);
  const requests = await asking();
  figure("contacts", items.length);
  list("contact-list", items.map(contact));
  list("requests", requests.map(request(items)), "no-request");
  return requests;
}

export async function contacts() {
  await fetched();
}

const change = (verb, who) => ask("set", element(BLOCKING, verb, {}, element(BLOCKING, "item", { jid: who })));

export async function blocked() {
  const items = [...(await ask("get", element(BLOCKING, "blocklist"))).querySelectorAll("item")].sort(byAddress);
  figure("blocked", items.length);
  list("blocked-list", items.map((item) => ({
    title: jid(item),
    button: ["unblock", async () => {
      await change("unblock", jid(item));
      await blocked();
      return about("unblocked", jid(item));
    }],
  })));
}

onSubmit("blocked", async () => {
  const who = address(at("block").value);
  await change("block", who);
  at("block").value = "";
  await blocked();
  return about("blocked-now", who);
});
