// SPDX-License-Identifier: GPL-3.0-or-later
// The account page: logs in and out, changes the password, deletes the account (XEP-0077). It is an XMPP client like any other, and sends no
// presence, so no app shows it to others.
import { at, newPassword, said, show, showsPassword } from "/page.js";
import { NS, element } from "/xmpp.js";
import * as archive from "./archive.js";
import "./import.js";
import { moderation } from "./commands.js";
import * as devices from "./devices.js";
import "./export.js";
import * as invite from "./invite.js";
import { check } from "./login.js";
import { act, ask, focusOn, me, meant, onSubmit } from "./parts.js";
import * as people from "./people.js";
import { clear, leave, session } from "./session.js";
import * as stored from "./stored.js";

const rate = newPassword(() => me.name);

// What moderators do is on a page of their own, which nobody else is led to.
async function moderator() {
  show("moderator", (await moderation()).length > 0);
}

function entered(address) {
  at("username").value = address;
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
    ...(at("moderator") && { moderator }),
  })) {
    act(at(part), load);
  }
}

// What was fetched is fetched again; passwords are not kept for anybody.
function left() {
  for (const told of document.querySelectorAll(".rows, .figures dd, #stored td, #more-files b, #invitations-left")) told.textContent = "";
  for (const id of ["password", "delete-password"]) at(id).value = "";
  if (at("moderator")) show("moderator", false);
  rate();
}

function cleared() {
  at("username").value = "";
  archive.forget();
}

showsPassword(at("delete-show"), at("delete-password"));

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

session({ entered, left, cleared });
