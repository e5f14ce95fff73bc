// SPDX-License-Identifier: GPL-3.0-or-later
// The account page: contacts, bookmarks and blocked addresses out of a file of another service (XEP-0227). What is here already stays as it is, so the
// same file can be taken again. Contacts are asked again: what they allowed, they allowed another address.
import { at, said } from "/page.js";
import { NS, Problem, Refusal, bare, element } from "/xmpp.js";
import { PIE, PRIVACY, items, named } from "./export.js";
import { about, ask, me, onSubmit, withRefusals } from "./parts.js";
import { isAddress } from "./people.js";
import * as people from "./people.js";

const BOOKMARKS = "urn:xmpp:bookmarks:1";
const OLD_BOOKMARKS = "storage:bookmarks";
const BLOCKING = "urn:xmpp:blocking";
const AT_ONCE = 50;

async function accountIn(file) {
  const read = new DOMParser().parseFromString(await file.text(), "text/xml");
  const users = named(read, PIE, "user");
  // A browser shows what it has read of a broken file, and an element with the mistake.
  if (!users.length || read.querySelector("parsererror")) throw new Problem("no-file");
  if (users.length > 1) throw new Problem("many-accounts");
  return users[0];
}

// By address, in small letters; the last of several is taken. The own address is no contact.
function byAddress(found) {
  const own = `${me.name}@${me.domain}`;
  const pairs = found.map(([address, one]) => [bare((address || "").trim()).toLowerCase(), one]);
  return new Map(pairs.filter(([address]) => isAddress(address) && address !== own));
}

const contactsIn = (account) =>
  byAddress(named(account, NS.roster, "item").filter((one) => one.getAttribute("subscription") !== "remove").map((one) => [one.getAttribute("jid"), one]));

// An item without a kind of stanza blocks all of them. Lists that are not in use block nothing.
function blockedIn(account) {
  const used = named(account, PRIVACY, "default").map((one) => one.getAttribute("name"));
  const lists = named(account, PRIVACY, "list").filter((one) => used.includes(one.getAttribute("name")));
  const denied = lists.flatMap((one) => named(one, PRIVACY, "item"))
    .filter((one) => one.getAttribute("type") === "jid" && one.getAttribute("action") === "deny" && !one.childElementCount)
    .map((one) => [one.getAttribute("value"), one]);
  return byAddress([...denied, ...named(account, BLOCKING, "item").map((one) => [one.getAttribute("jid"), one])]);
}

// Also as apps stored them before XEP-0402.
function bookmark(old) {
  const [name, autojoin] = ["name", "autojoin"].map((key) => old.getAttribute(key));
  const inside = ["nick", "password"].flatMap((key) => {
    const text = old.getElementsByTagNameNS(OLD_BOOKMARKS, key)[0]?.textContent;
    return text ? [element(BOOKMARKS, key, {}, text)] : [];
  });
  return element(BOOKMARKS, "conference", { ...(name && { name }), autojoin: String(["1", "true"].includes(autojoin)) }, ...inside);
}

function bookmarksIn(account) {
  const old = named(account, OLD_BOOKMARKS, "conference").map((one) => [one.getAttribute("jid"), bookmark(one)]);
  const found = named(account, NS.pubsub, "items").filter((one) => one.getAttribute("node") === BOOKMARKS).flatMap((one) => named(one, NS.pubsub, "item"));
  const now = found.map((one) => [one.getAttribute("id"), named(one, BOOKMARKS, "conference")[0]]).filter(([, one]) => one);
  return byAddress([...old, ...now]);
}

// What the server refuses of one is no reason to leave out the others.
const counts = { refused: 0 };
async function tried(question) {
  try {
    await question;
    return true;
  } catch (refusal) {
    if (!(refusal instanceof Refusal)) throw refusal;
    counts.refused += 1;
    return false;
  }
}

const rosterItems = async () => byAddress(named(await ask("get", element(NS.roster, "query")), NS.roster, "item").map((one) => [one.getAttribute("jid"), one]));
const sees = (one) => ["to", "both"].includes(one?.getAttribute("subscription"));
const isAsked = (one) => one?.getAttribute("ask") === "subscribe";

const importContacts = (account, progress) => withRefusals(async (refused) => {
  const [theirs, ours] = [contactsIn(account), await rosterItems()];
  const asked = [];
  let added = 0;
  for (const [jid, one] of theirs) {
    const groups = named(one, NS.roster, "group").map((group) => group.textContent).filter(Boolean).map((name) => element(NS.roster, "group", {}, name));
    const name = one.getAttribute("name");
    const item = element(NS.roster, "item", { jid, ...(name && { name }) }, ...groups);
    if (!ours.has(jid)) {
      if (!(await tried(ask("set", element(NS.roster, "query", {}, item))))) continue;
      added += 1;
      progress(added);
    }
    if ((sees(one) || isAsked(one)) && !sees(ours.get(jid)) && !isAsked(ours.get(jid))) {
      asked.push(jid);
      me.stream.send(element(NS.client, "presence", { to: jid, type: "subscribe" }));
    }
  }
  // The server answers a request that it does not pass on elsewhere; here it is seen in the list.
  const now = asked.length ? await rosterItems() : ours;
  const left = asked.filter((jid) => !sees(now.get(jid)) && !isAsked(now.get(jid)));
  const later = left.filter((jid) => !refused.has(jid)).length;
  counts.refused += left.length - later;
  return { added, asked: asked.length - left.length, later };
});

async function importBookmarks(account) {
  const theirs = bookmarksIn(account);
  if (!theirs.size) return 0;
  const node = await items(BOOKMARKS);
  const ours = byAddress(node ? named(node, NS.pubsub, "item").map((one) => [one.getAttribute("id"), one]) : []);
  // As apps ask for them (XEP-0402, 3.1), if the node is new.
  const field = (name, value) => element(NS.form, "field", { var: name }, element(NS.form, "value", {}, value));
  const wanted = [["access_model", "whitelist"], ["persist_items", "true"], ["max_items", "max"], ["send_last_published_item", "never"]];
  const form = element(NS.form, "x", { type: "submit" }, field("FORM_TYPE", `${NS.pubsub}#publish-options`), ...wanted.map(([key, value]) => field(`pubsub#${key}`, value)));
  const options = node ? [] : [element(NS.pubsub, "publish-options", {}, form)];
  let added = 0;
  for (const [room, one] of theirs) {
    if (ours.has(room)) continue;
    const publish = element(NS.pubsub, "publish", { node: BOOKMARKS }, element(NS.pubsub, "item", { id: room }, one));
    if (await tried(ask("set", element(NS.pubsub, "pubsub", {}, publish, ...options)))) added += 1;
  }
  return added;
}

async function importBlocked(account) {
  const ours = byAddress([...(await ask("get", element(BLOCKING, "blocklist"))).querySelectorAll("item")].map((one) => [one.getAttribute("jid"), one]));
  const missing = [...blockedIn(account).keys()].filter((jid) => !ours.has(jid));
  let added = 0;
  for (let first = 0; first < missing.length; first += AT_ONCE) {
    const some = missing.slice(first, first + AT_ONCE);
    if (await tried(ask("set", element(BLOCKING, "block", {}, ...some.map((jid) => element(BLOCKING, "item", { jid })))))) added += some.length;
  }
  return added;
}

onSubmit("import", async () => {
  const part = at("import");
  counts.refused = 0;
  const account = await accountIn(at("import-file").files[0]);
  // First of all, so that nobody who is blocked is asked.
  const blocked = await importBlocked(account);
  const contacts = await importContacts(account, (count) => {
    part.querySelector("[role=status]").textContent = about("importing", count);
  });
  const bookmarks = await importBookmarks(account);
  await Promise.all([people.contacts(), people.blocked()]);
  part.querySelector("form").reset();
  const told = [["imported-contacts", contacts.added], ["imported-asked", contacts.asked], ["imported-bookmarks", bookmarks], ["imported-blocked", blocked]];
  if (counts.refused) told.push(["imported-refused", counts.refused]);
  return told.map(([name, count]) => about(name, count)).join(" · ") + (contacts.later ? `. ${said("ask-later")}` : "");
});
