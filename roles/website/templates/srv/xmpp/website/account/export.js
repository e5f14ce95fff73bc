// SPDX-License-Identifier: GPL-3.0-or-later
// The account page: one file of what the account has (XEP-0227), as playbooks/export.yml writes it without the keys of the password. It is put together
// in the browser. What no session can read is not in it: messages that wait for an app. Nor are uploaded files.
import { at, said } from "/page.js";
import { NS, bare, element, randomId } from "/xmpp.js";
import { about, act, ask, got, me } from "./parts.js";
import { asking } from "./people.js";

export const PIE = "urn:xmpp:pie:0";
export const PRIVACY = "jabber:iq:privacy";
const PRIVATE = "jabber:iq:private";
// Private storage has no table of contents; these are what apps use.
const KNOWN = [["storage", "storage:bookmarks"], ["roster", "roster:delimiter"], ["storage", "storage:rosternotes"], ["storage", "storage:metacontacts"]];
// What a node is, to whom; the rest is how a server runs it.
const KEPT = ["access_model", "max_items", "persist_items", "roster_groups_allowed", "send_last_published_item", "title", "type"];

export const named = (root, namespace, name) => [...root.getElementsByTagNameNS(namespace, name)];
const page = (after) => element(NS.pages, "set", {}, element(NS.pages, "max", {}, "50"), ...(after ? [element(NS.pages, "after", {}, after)] : []));
const around = (namespace, name, children) => (children.length ? [element(namespace, name, {}, ...children)] : []);

async function profile() {
  const card = await got(element("vcard-temp", "vCard"));
  return card?.childElementCount ? [card] : [];
}

async function settings() {
  const stored = [];
  for (const [name, namespace] of KNOWN) {
    const query = await got(element(PRIVATE, "query", {}, element(namespace, name)));
    if (query?.firstElementChild.childNodes.length) stored.push(query.firstElementChild);
  }
  return around(PRIVATE, "query", stored);
}

async function blocked() {
  const lists = await got(element(PRIVACY, "query"));
  const parts = [];
  for (const one of lists.children) {
    const name = one.getAttribute("name");
    if (one.localName === "default" && name) parts.push(element(PRIVACY, "default", { name }));
    if (one.localName === "list") parts.push(...(await got(element(PRIVACY, "query", {}, element(PRIVACY, "list", { name })))).children);
  }
  return around(PRIVACY, "query", parts);
}

async function contacts() {
  const roster = await got(element(NS.roster, "query"));
  return around(NS.roster, "query", [...roster.children]);
}

// Who waits for an answer is no entry of the list, but a request as it came in.
async function requests() {
  const to = bare(me.stream.jid);
  return (await asking()).map((one) => {
    const words = one.textContent ? [element(NS.client, "status", {}, one.textContent)] : [];
    return element(NS.client, "presence", { from: one.getAttribute("jid"), to, type: "subscribe" }, ...words);
  });
}

// A large node comes in pages. One that is not there is null.
export async function items(node) {
  const all = [];
  for (let after = ""; ; ) {
    const answer = await got(element(NS.pubsub, "pubsub", {}, element(NS.pubsub, "items", { node }), page(after)));
    if (!answer) return null;
    const more = named(answer, NS.pubsub, "item");
    all.push(...more);
    after = named(answer, NS.pages, "last")[0]?.textContent;
    if (!after || !more.length || all.length >= Number(named(answer, NS.pages, "count")[0]?.textContent)) return element(NS.pubsub, "items", { node }, ...all);
  }
}

async function configuration(node) {
  const fields = named(await got(element(NS.owner, "pubsub", {}, element(NS.owner, "configure", { node }))), NS.form, "field")
    .filter((field) => KEPT.includes(field.getAttribute("var").replace("pubsub#", "")))
    .map((field) => element(NS.form, "field", { var: field.getAttribute("var") }, ...[...field.children].filter((one) => one.localName === "value")));
  const type = element(NS.form, "field", { var: "FORM_TYPE" }, element(NS.form, "value", {}, `${NS.pubsub}#node_config`));
  return element(NS.owner, "configure", { node }, element(NS.form, "x", { type: "submit" }, type, ...fields));
}

async function nodes() {
  const owned = named(await got(element(NS.pubsub, "pubsub", {}, element(NS.pubsub, "affiliations"))), NS.pubsub, "affiliation")
    .filter((one) => one.getAttribute("affiliation") === "owner")
    .map((one) => one.getAttribute("node"));
  const [forms, stored] = [[], []];
  for (const node of owned) {
    forms.push(await configuration(node));
    stored.push(await items(node));
  }
  return [...around(NS.owner, "pubsub", forms), ...around(NS.pubsub, "pubsub", stored.filter(Boolean))];
}

// Page by page, each as text: an archive is large.
async function archive(progress) {
  const results = [];
  const { stream } = me;
  for (let after = ""; ; ) {
    const queryid = randomId();
    // From the own archive, and an answer to this: anybody could send a message that looks like one.
    const hear = (stanza) => {
      const from = stanza.getAttribute("from");
      if (stanza.localName !== "message" || (from && from !== bare(stream.jid))) return;
      const result = [...stanza.children].find((one) => one.namespaceURI === NS.archive && one.localName === "result");
      if (result?.getAttribute("queryid") !== queryid) return;
      result.removeAttribute("queryid");
      results.push(new XMLSerializer().serializeToString(result));
    };
    stream.listeners.add(hear);
    const answer = await ask("set", element(NS.archive, "query", { queryid }, page(after))).finally(() => stream.listeners.delete(hear));
    progress(results.length);
    after = named(answer, NS.pages, "last")[0]?.textContent;
    if (!after || named(answer, NS.archive, "fin")[0].getAttribute("complete") === "true") return results;
  }
}

async function whole(progress) {
  const text = (one) => new XMLSerializer().serializeToString(one);
  const parts = [];
  for (const part of [profile, settings, blocked, contacts, requests, nodes]) parts.push(...(await part()).map(text));
  const messages = at("with-archive").checked ? await archive(progress) : [];
  if (messages.length) parts.push(`<archive xmlns="${PIE}#mam">`, ...messages, "</archive>");
  const shell = text(element(PIE, "server-data", {}, element(PIE, "host", { jid: me.domain }, element(PIE, "user", { name: me.name }, "|"))));
  const [begin, end] = shell.split(">|<");
  return ['<?xml version="1.0" encoding="UTF-8"?>\n', begin, ">", ...parts, "<", end, "\n"];
}

at("export").querySelector("form").addEventListener("submit", (event) => {
  event.preventDefault();
  const part = at("export");
  act(part, async () => {
    const file = new Blob(await whole((count) => {
      part.querySelector('[role="status"]').textContent = about("fetched", count);
    }), { type: "application/xml" });
    const link = document.createElement("a");
    link.href = URL.createObjectURL(file);
    link.download = `${me.name}@${me.domain}.xml`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
    return said("exported");
  });
});
