// SPDX-License-Identifier: GPL-3.0-or-later
// The account page: what is stored for the account now, by the entries of the ledger, and its uploaded files (mod_xmpp_stored.erl).
import { at } from "/page.js";
import { element } from "/xmpp.js";
import { about, act, ask, list, meant } from "./parts.js";

const OWN = "conexizan:stored";
const LONG = 600000; // milliseconds; a full archive is measured in portions
// Rows that are parts of others: an entry in the contacts has a row for each of its groups. They have a size, but no number.
const PARTS = ["users", "rostergroups", "roster_version", "privacy_list", "privacy_default_list", "pubsub_node", "pubsub_node_option", "pubsub_state", "archive_prefs"];
const SIZES = ["byte", "kilobyte", "megabyte", "gigabyte"];

const language = document.documentElement.lang;

function size(bytes) {
  const step = Math.min(SIZES.length - 1, Math.floor(Math.log10(Math.max(1, bytes)) / 3));
  const digits = { maximumFractionDigits: step ? 1 : 0 };
  return new Intl.NumberFormat(language, { style: "unit", unit: SIZES[step], ...digits }).format(bytes / 1000 ** step);
}

const number = (one, name) => Number(one.getAttribute(name));

const when = (time) => new Date(time).toLocaleDateString(language, { dateStyle: "medium" });

function fill(row, count, bytes) {
  const [shown, measured] = row.querySelectorAll("td");
  shown.textContent = count === null ? "–" : new Intl.NumberFormat(language).format(count);
  measured.textContent = size(bytes);
}

async function tables() {
  const answer = await meant({ "resource-constraint": "counting" }, ask("get", element(OWN, "measure"), { patience: LONG }));
  const measured = new Map([...answer.querySelectorAll("table")].map((one) => [one.getAttribute("name"), one]));
  for (const row of at("stored").querySelectorAll("[data-tables]")) {
    const all = row.dataset.tables.split(" ");
    const found = all.map((name) => measured.get(name)).filter(Boolean);
    const entries = found.filter((one) => !PARTS.includes(one.getAttribute("name")));
    const counted = all.some((name) => !PARTS.includes(name));
    fill(row, counted ? entries.reduce((sum, one) => sum + number(one, "rows"), 0) : null, found.reduce((sum, one) => sum + number(one, "bytes"), 0));
  }
}

async function files() {
  const found = (await ask("get", element(OWN, "files"))).firstElementChild;
  const all = [...found.querySelectorAll("file")];
  fill(at("stored-files"), number(found, "count"), number(found, "bytes"));
  list("files", all.map((one) => {
    const [id, name, made] = ["id", "name", "at"].map((key) => one.getAttribute(key));
    return {
      title: name,
      text: `${size(number(one, "bytes"))} · ${when(made)}`,
      sure: "sure-file",
      button: ["delete-file", async () => {
        await ask("set", element(OWN, "delete-file", { id }));
        await load();
        return about("deleted-file", name);
      }],
    };
  }));
  const more = at("more-files");
  more.hidden = all.length === number(found, "count");
  more.querySelector("b").textContent = all.length;
}

export async function load() {
  await tables();
  await files();
}

at("uploads").querySelector(".again").addEventListener("click", () => act(at("uploads"), load));
