// SPDX-License-Identifier: GPL-3.0-or-later
// The account page: what goes into the archive (XEP-0313, XEP-0441), how much is in it, and how it is emptied (mod_xmpp_archive.erl).
import { at, said } from "/page.js";
import { NS, element } from "/xmpp.js";
import { act, ask, figure, meant, onSubmit } from "./parts.js";
import { address } from "./people.js";

const OFFLINE = "http://jabber.org/protocol/offline";
const LONG = 600000; // milliseconds; a full archive is deleted in portions
const EXCEPTIONS = ["always", "never"];

const form = at("archive").querySelector("form");
const save = form.querySelector("button");
let edited = false; // what somebody has entered is not replaced
// What is not known yet would be deleted by saving.
save.disabled = true;
form.addEventListener("input", () => {
  edited = true;
});

function fill(prefs) {
  form.elements.archive.value = prefs.getAttribute("default");
  for (const kind of EXCEPTIONS)
    at(`archive-${kind}`).value = [...prefs.querySelectorAll(`${kind} > jid`)].map((jid) => jid.textContent).join("\n");
  edited = false;
  save.disabled = false;
}

export const forget = () => {
  edited = false;
  save.disabled = true;
};

export async function load() {
  const { firstElementChild: prefs } = await ask("get", element(NS.archive, "prefs"));
  if (!edited || save.disabled) fill(prefs);
  const none = element(NS.pages, "set", {}, element(NS.pages, "max", {}, "0"));
  const archived = await ask("set", element(NS.archive, "query", {}, none));
  figure("archived", archived.getElementsByTagNameNS(NS.pages, "count")[0].textContent);
  // Asked for their number, they stay where they are until an app comes.
  const waiting = await ask("get", element("http://jabber.org/protocol/disco#info", "query", { node: OFFLINE }));
  figure("waiting", waiting.querySelector('field[var="number_of_messages"] > value').textContent);
}

onSubmit("archive", async () => {
  const exceptions = EXCEPTIONS.map((kind) => {
    const addresses = at(`archive-${kind}`).value.split("\n").filter((line) => line.trim());
    return element(NS.archive, kind, {}, ...addresses.map((line) => element(NS.archive, "jid", {}, address(line))));
  });
  const { firstElementChild: prefs } = await ask("set", element(NS.archive, "prefs", { default: form.elements.archive.value }, ...exceptions));
  fill(prefs);
  return said("saved");
});

at("empty-archive").addEventListener("click", () => confirm(said("sure-archive")) && act(at("archive"), async () => {
  await meant({ "resource-constraint": "emptying" }, ask("set", element("conexizan:archive", "delete"), { patience: LONG }));
  await load();
  return said("emptied");
}));
