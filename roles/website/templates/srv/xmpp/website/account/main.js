// SPDX-License-Identifier: GPL-3.0-or-later
// The account page: logs in and out, changes the password, deletes the account (XEP-0077). It is an XMPP client like any other, and sends no
// presence, so no app shows it to others. Nothing is stored; the password is forgotten as soon as it has been used.
import { at, newPassword, said, show, showsPassword } from "/page.js";
import { NS, Problem, element } from "/xmpp.js";
import * as archive from "./archive.js";
import "./bring.js";
import * as devices from "./devices.js";
import "./export.js";
import * as invite from "./invite.js";
import { check, login } from "./login.js";
import { act, ask, focusOn, me, meant, onSubmit } from "./parts.js";
import * as people from "./people.js";
import * as stored from "./stored.js";

const outside = at("outside");
const rate = newPassword(() => me.name);

function typedAddress() {
  const domains = at("login").dataset.domains.split(" ");
  const [name, domain = domains[0], ...more] = at("address").value.trim().normalize("NFKC").toLowerCase().split("@");
  if (!name || !domains.includes(domain) || more.length) throw new Problem("foreign");
  return [name, domain];
}

// Nobody is logged in any more.
function leave(sentence, role) {
  me.stream?.close();
  me.stream = null;
  // What is hidden can be read all the same. It is fetched again; passwords are not kept for anybody.
  for (const told of document.querySelectorAll(".rows, .figures dd, #stored td, #more-files b, #invitations-left")) told.textContent = "";
  for (const id of ["password", "delete-password"]) at(id).value = "";
  rate();
  show("inside", false);
  show("outside");
  for (const told of outside.querySelectorAll("[role]")) told.textContent = told.getAttribute("role") === role ? sentence : "";
  at(me.name && role === "alert" ? "login-password" : "address").focus();
}

// The next person finds nothing of the last one.
function clear() {
  for (const form of document.querySelectorAll("form")) form.reset();
  for (const told of document.querySelectorAll("#inside [role], #who")) told.textContent = "";
  at("username").value = "";
  me.name = "";
  archive.forget();
}

async function enter() {
  const [name, domain] = typedAddress();
  const stream = await login(name, domain, at("login-password").value);
  if (stream.over) throw await stream.over;
  if (me.name && (name !== me.name || domain !== me.domain)) clear();
  Object.assign(me, { name, domain, stream });
  stream.ended = () => leave(said("expired"), "alert");
  at("login").reset();
  at("address").value = `${name}@${domain}`;
  at("who").textContent = at("username").value = `${name}@${domain}`;
  show("outside", false);
  show("inside");
  // A link of the questions and answers leads to a part.
  const wanted = at(location.hash.slice(1))?.closest("#inside > div");
  focusOn(wanted || at("inside"));
  for (const [part, load] of Object.entries({
    archive: archive.load,
    contacts: people.contacts,
    blocked: people.blocked,
    devices: devices.load,
    uploads: stored.load,
    ...(at("invite") && { invite: invite.load }),
  })) {
    act(at(part), load);
  }
}

at("login").addEventListener("submit", (event) => {
  event.preventDefault();
  act(outside, enter);
});
showsPassword(at("login-show"), at("login-password"));
showsPassword(at("delete-show"), at("delete-password"));

at("logout").addEventListener("click", () => {
  clear();
  leave(said("logged-out"), "status");
});
// A browser may bring the page back as it was left.
window.addEventListener("pagehide", () => {
  clear();
  leave("", "status");
});

const registered = (...children) => element(NS.register, "query", {}, ...children);

onSubmit("new-password", async () => {
  const password = at("password").value;
  const changed = registered(element(NS.register, "username", {}, me.name), element(NS.register, "password", {}, password));
  await meant({ "not-acceptable": "refused", "not-allowed": "refused" }, ask("set", changed, { to: me.domain }));
  at("new-password").querySelector("form").reset();
  rate();
  act(at("devices"), devices.load);
  return said("changed");
});

// The session ends with the account, perhaps before the answer has come: it is gone if its password is wrong now.
async function isGone(password) {
  try {
    await check(me.name, me.domain, password);
  } catch (problem) {
    return problem.message === "wrong";
  }
  return false;
}

onSubmit("delete", async () => {
  const password = at("delete-password").value;
  await check(me.name, me.domain, password);
  const { stream } = me;
  const { ended } = stream;
  stream.ended = () => {};
  try {
    await ask("set", registered(element(NS.register, "remove")), { to: me.domain });
  } catch (problem) {
    stream.ended = ended;
    if (!stream.over || !(await isGone(password))) {
      if (stream.over) ended();
      throw problem;
    }
  }
  clear();
  leave(said("deleted"), "status");
});

show("outside");
