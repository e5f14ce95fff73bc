// SPDX-License-Identifier: GPL-3.0-or-later
// The account page: the apps that are logged in, and the devices that others encrypt for (XEP-0384 in both of its versions).
// No single session is ended here: its app would come back at once. A new password ends all.
import { at } from "/page.js";
import { NS, Problem, bare, element, fromBase64 } from "/xmpp.js";
import { about, act, ask, figure, got, list, me } from "./parts.js";

const ITEMS = "http://jabber.org/protocol/disco#items";
const VERSION = "jabber:iq:version";
const APP_PATIENCE = 5000; // milliseconds; an app that sleeps does not answer
const OLD = "eu.siacs.conversations.axolotl";
const NEW = "urn:xmpp:omemo:2";
const LISTS = [
  { node: `${OLD}.devicelist`, root: [OLD, "list"], device: OLD },
  { node: `${NEW}:devices`, root: [NEW, "devices"], device: NEW },
];

const resource = (jid) => jid.slice(jid.indexOf("/") + 1);

async function app(jid) {
  try {
    const told = await ask("get", element(VERSION, "query"), { to: jid, patience: APP_PATIENCE });
    const [name, version] = ["name", "version"].map((key) => told.querySelector(key)?.textContent || "");
    return { title: `${name} ${version}`.trim() || resource(jid), text: resource(jid) };
  } catch {
    return { title: resource(jid) };
  }
}

async function sessions() {
  const items = await ask("get", element(ITEMS, "query"));
  const { stream } = me;
  const own = stream.jid;
  const others = [...items.querySelectorAll("item")]
    .map((one) => one.getAttribute("jid"))
    .filter((jid) => jid !== own && jid.startsWith(`${bare(own)}/`)); // among the nodes of the account
  const show = (rows) => me.stream === stream && list("sessions", rows, "no-session");
  show(others.map((jid) => ({ title: resource(jid) })));
  Promise.all(others.map(app)).then(show); // nobody has to wait for an app that sleeps
}

const item = (node) => got(element(NS.pubsub, "pubsub", {}, element(NS.pubsub, "items", { node, max_items: "1" })));

// As apps show it: the key without the byte that tells its kind.
async function fingerprint(id) {
  try {
    const key = (await item(`${OLD}.bundles:${id}`)).querySelector("identityKey").textContent;
    const bytes = Array.from(fromBase64(key), (byte) => byte.toString(16).padStart(2, "0"));
    return bytes.slice(-32).join("").replace(/.{8}(?=.)/g, "$& ");
  } catch (problem) {
    if (problem instanceof Problem) throw problem; // the session has ended
    return "";
  }
}

async function devices({ node, device }) {
  return [...((await item(node))?.getElementsByTagNameNS(device, "device") || [])].map((one) => one.cloneNode());
}

async function remove(kind, id) {
  const left = (await devices(kind)).filter((one) => one.getAttribute("id") !== id);
  const root = element(...kind.root, {}, ...left);
  await ask("set", element(NS.pubsub, "pubsub", {}, element(NS.pubsub, "publish", { node: kind.node }, element(NS.pubsub, "item", { id: "current" }, root))));
  const keys = kind.device === OLD
    ? element(NS.owner, "pubsub", {}, element(NS.owner, "delete", { node: `${OLD}.bundles:${id}` }))
    : element(NS.pubsub, "pubsub", {}, element(NS.pubsub, "retract", { node: `${NEW}:bundles` }, element(NS.pubsub, "item", { id })));
  try {
    await ask("set", keys);
  } catch (refusal) {
    if (!refusal.conditions) throw refusal; // without a key that could be removed, it is gone from the list anyway
  }
  await omemo();
  return about("removed", id);
}

async function omemo() {
  const rows = [];
  for (const kind of LISTS) {
    for (const one of await devices(kind)) {
      const id = one.getAttribute("id");
      const text = kind.device === OLD ? await fingerprint(id) : one.getAttribute("label");
      rows.push({ title: id, text, sure: "sure-key", button: ["remove", () => remove(kind, id)] });
    }
  }
  figure("omemo", new Set(rows.map(({ title }) => title)).size);
  list("omemo", rows);
}

export async function load() {
  await Promise.all([sessions(), omemo()]);
}

at("devices").querySelector(".again").addEventListener("click", () => act(at("devices"), load));
