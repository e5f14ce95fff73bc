// SPDX-License-Identifier: GPL-3.0-or-later
// Who is logged in on a page: the form (pages/login.html.j2), the end of the session, and that the next person finds nothing. The pages with a login
// share it; each says what it does then. Nothing is stored; the password is forgotten as soon as it has been used.
import { at, said, show, showsPassword } from "/page.js";
import { Problem } from "/xmpp.js";
import { login } from "./login.js";
import { act, me } from "./parts.js";

const outside = at("outside");
const page = {
  admit: async () => {}, // whether the page is for the account: a Problem if not
  entered: () => {},
  left: () => {}, // nobody is logged in any more: what was fetched goes, what was entered stays
  cleared: () => {}, // what was entered goes as well
};

function typedAddress() {
  const domains = at("login").dataset.domains.split(" ");
  const [name, domain = domains[0], ...more] = at("address").value.trim().normalize("NFKC").toLowerCase().split("@");
  if (!name || !domains.includes(domain) || more.length) throw new Problem("foreign");
  return [name, domain];
}

// Nobody is logged in any more.
export function leave(sentence, role) {
  me.stream?.close();
  me.stream = null;
  page.left(); // what is hidden can be read all the same
  show("inside", false);
  show("outside");
  for (const told of outside.querySelectorAll("[role]")) told.textContent = told.getAttribute("role") === role ? sentence : "";
  at(me.name && role === "alert" ? "login-password" : "address").focus();
}

// The next person finds nothing of the last one.
export function clear() {
  for (const form of document.querySelectorAll("form")) form.reset();
  for (const told of document.querySelectorAll("#inside [role], #who")) told.textContent = "";
  me.name = "";
  page.cleared();
}

async function enter() {
  const [name, domain] = typedAddress();
  const stream = await login(name, domain, at("login-password").value);
  if (stream.over) throw await stream.over;
  const address = `${name}@${domain}`;
  if (me.name && (name !== me.name || domain !== me.domain)) {
    const password = at("login-password").value;
    clear();
    at("address").value = address;
    at("login-password").value = password; // for whom the page is not
  }
  Object.assign(me, { name, domain, stream });
  try {
    await page.admit();
    if (stream.over) throw await stream.over;
  } catch (problem) {
    stream.close();
    me.stream = null;
    throw problem;
  }
  stream.ended = () => leave(said("expired"), "alert");
  at("login").reset();
  at("address").value = at("who").textContent = address;
  show("outside", false);
  show("inside");
  page.entered(address);
}

export function session(hooks) {
  Object.assign(page, hooks);
  show("outside");
}

at("login").addEventListener("submit", (event) => {
  event.preventDefault();
  act(outside, enter);
});
showsPassword(at("login-show"), at("login-password"));

at("logout").addEventListener("click", () => {
  clear();
  leave(said("logged-out"), "status");
});
// A browser may bring the page back as it was left.
window.addEventListener("pagehide", () => {
  clear();
  leave("", "status");
});
