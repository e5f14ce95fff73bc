// SPDX-License-Identifier: GPL-3.0-or-later
// The account page: the apps of the account and where push goes (XEP-0494 and mod_xmpp_devices.erl), and the devices that others encrypt for (XEP-0384
// in both of its versions).
import { at, said, show } from "/page.js";
import { NS, Problem, bare, element, fromBase64 } from "/xmpp.js";
import { about, act, ask, call, figure, got, list, me } from "./parts.js";

const APPS = "urn:xmpp:cam:0";
const OURS = "conexizan:devices";
const VERSION = "jabber:iq:version";
const APP_PATIENCE = 5000; // milliseconds; an app that sleeps does not answer
const OLD = "eu.siacs.conversations.axolotl";
const NEW = "urn:xmpp:omemo:2";
const LISTS = [
  { node: `${OLD}.devicelist`, root: [OLD, "list"], device: OLD },
  { node: `${NEW}:devices`, root: [NEW, "devices"], device: NEW },
];
const STALE = 180; // days without new keys

const day = (time) => new Date(time).toLocaleDateString(document.documentElement.lang, { dateStyle: "medium" });
// A device can be in both lists.
const ids = (all) => [...new Set(all.map(({ id }) => id))].join(", ");
const when = (time) => new Date(time).toLocaleString(document.documentElement.lang, { dateStyle: "medium", timeStyle: "short" });

// One that has ended meanwhile is as it was to be.
async function end(name, id) {
  try {
    await ask("set", element(OURS, name, { id }));
  } catch (refusal) {
    if (!refusal.conditions?.includes("item-not-found")) throw refusal;
  }
  await apps();
}

function client(one) {
  const [software, device, seen] = ["software", "device", "last-seen"].map((tag) => one.querySelector(tag)?.textContent || "");
  const sessions = [...one.getElementsByTagNameNS(OURS, "session")];
  const [resource = ""] = sessions.map((session) => session.getAttribute("resource"));
  return { id: one.getAttribute("id"), own: sessions.some((session) => session.getAttribute("own") === "true"), software, device, resource, seen };
}

const title = ({ software, resource }) => software || resource || said("unnamed");

const row = (app) => ({
  title: title(app),
  text: [app.device, app.software && app.resource, about(app.resource ? "since" : "away", when(app.seen))].filter(Boolean).join(" · "),
  sure: "sure-logout",
  button: ["end", async () => {
    await end("logout", app.id);
    return about("ended", title(app));
  }],
});

// Older apps say what they are only if they are asked (XEP-0092), and nobody has to wait for one that sleeps.
async function named({ resource }, shown) {
  try {
    const told = await ask("get", element(VERSION, "query"), { to: `${bare(me.stream.jid)}/${resource}`, patience: APP_PATIENCE });
    const name = ["name", "version"].map((key) => told.querySelector(key)?.textContent || "").join(" ").trim();
    if (name) call(shown, name);
  } catch {
    // Its address is shown.
  }
}

async function apps() {
  const [clients, registered] = await Promise.all([ask("get", element(APPS, "list")), ask("get", element(OURS, "push"))]);
  const all = [...clients.getElementsByTagNameNS(APPS, "client")].map(client);
  const others = all.filter(({ own }) => !own).sort((one, other) => other.seen.localeCompare(one.seen)); // the newest first
  const rows = list("sessions", others.map(row), "no-session");
  others.forEach((one, index) => one.software || !one.resource || named(one, rows[index]));
  const waking = [...registered.getElementsByTagNameNS(OURS, "app")].map((one) => {
    const [id, server, since, whose] = ["id", "server", "since", "client"].map((name) => one.getAttribute(name));
    const app = all.find((other) => other.id === whose);
    return {
      title: server,
      text: [app && title(app), about("since", when(since))].filter(Boolean).join(" · "),
      button: ["push-off", async () => {
        await end("push-off", id);
        return about("push-is-off", server);
      }],
    };
  });
  list("push", waking, "no-push");
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

async function remove(kind, gone) {
  const left = (await devices(kind)).filter((one) => !gone.includes(one.getAttribute("id")));
  const root = element(...kind.root, {}, ...left);
  await ask("set", element(NS.pubsub, "pubsub", {}, element(NS.pubsub, "publish", { node: kind.node }, element(NS.pubsub, "item", { id: "current" }, root))));
  for (const id of gone) {
    const keys = kind.device === OLD
      ? element(NS.owner, "pubsub", {}, element(NS.owner, "delete", { node: `${OLD}.bundles:${id}` }))
      : element(NS.pubsub, "pubsub", {}, element(NS.pubsub, "retract", { node: `${NEW}:bundles` }, element(NS.pubsub, "item", { id })));
    try {
      await ask("set", keys);
    } catch (refusal) {
      if (!refusal.conditions) throw refusal; // without a key that could be removed, it is gone from the list anyway
    }
  }
}

async function removed(...all) {
  for (const kind of LISTS) {
    const some = all.filter((one) => one.kind === kind).map(({ id }) => id);
    if (some.length) await remove(kind, some);
  }
  await omemo();
  return about("removed", ids(all));
}

// When a device has published its keys, by its version and id.
async function renewals() {
  const found = (await ask("get", element(OURS, "keys"))).getElementsByTagNameNS(OURS, "device");
  return new Map([...found].map((one) => [`${one.getAttribute("version")} ${one.getAttribute("id")}`, one.getAttribute("renewed")]));
}

let stale = []; // devices whose keys are old

async function omemo() {
  const renewed = await renewals();
  const found = [];
  for (const kind of LISTS) {
    for (const one of await devices(kind)) {
      const id = one.getAttribute("id");
      const name = kind.device === OLD ? await fingerprint(id) : one.getAttribute("label");
      found.push({ kind, id, name, since: renewed.get(`${kind.device} ${id}`) });
    }
  }
  const limit = Date.now() - STALE * 86400000;
  stale = found.filter(({ since }) => since && Date.parse(since) < limit);
  figure("omemo", new Set(found.map(({ id }) => id)).size);
  list("omemo", found.map((one) => ({
    title: one.id,
    text: [one.name, one.since ? about("renewed", day(one.since)) : said("no-keys")].filter(Boolean).join(" · "),
    sure: "sure-key",
    button: ["remove", () => removed(one)],
  })));
  at("stale-keys").textContent = about("stale", STALE);
  show("stale-keys", stale.length > 0);
}

export async function load() {
  await Promise.all([apps(), omemo()]);
}

at("stale-keys").addEventListener("click", () => {
  const all = stale;
  if (confirm(about("sure-stale", ids(all)))) act(at("devices"), () => removed(...all));
});
at("devices").querySelector(".again").addEventListener("click", () => act(at("devices"), load));
