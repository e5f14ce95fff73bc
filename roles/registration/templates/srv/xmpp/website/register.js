// SPDX-License-Identifier: GPL-3.0-or-later
// Makes an account, takes an invitation (XEP-0445) or sets a new password by speaking XMPP to the server itself (RFC 7395, XEP-0077):
// its limits and its CAPTCHA (XEP-0158) are the same for this page and for every app. Nothing is stored.
import { at, drawCode, newPassword, said, show } from "./page.js";
import { NS as SHARED, Problem, Refusal, Stream, element, fromBase64 } from "./xmpp.js";

const NS = { ...SHARED, bits: "urn:xmpp:bob", invitation: "urn:xmpp:pars:0", ours: "conexizan:registration" };
const REASON = "x-reason"; // with xmpp_registration: review
// What the server's answer means (RFC 6120 8.3.3), by the names of the sentences on the page.
const MEANING = {
  conflict: "taken",
  forbidden: "reserved",
  "jid-malformed": "name",
  "not-acceptable": "refused",
  "resource-constraint": "fast",
  "item-not-found": "invitation",
  "service-unavailable": "closed",
};

function meant({ answer, conditions }) {
  // The server says in the language of this page that it makes a pause for all (mod_xmpp_registration_rate.erl), that too many wait to be let in, or
  // what is wrong with the sentence to those who decide (mod_xmpp_registration_review.erl).
  for (const name of ["full", "reason"])
    if (answer.getElementsByTagNameNS(NS.ours, name).length) return new Problem(name, { words: answer.querySelector("error > text").textContent });
  // Refused digits are called "not-allowed" like a refused name, and are told from it, in any language, by this word.
  if (conditions.includes("not-allowed")) return new Problem(answer.textContent.includes("CAPTCHA") ? "picture" : "reserved");
  // To an invited guest ejabberd 26.07 says "internal-server-error" and, in the text, what it meant.
  const inText = /\{stanza_error,\w+,\w+,'?([a-z-]+)/.exec(answer.textContent);
  return new Problem([inText?.[1], ...conditions].map((condition) => MEANING[condition]).find(Boolean) || "server");
}

async function ask(stream, type, payload) {
  try {
    return await stream.ask(type, payload);
  } catch (refusal) {
    throw refusal instanceof Refusal ? meant(refusal) : refusal;
  }
}

// An open stream, past the invitation if there is one, and what the server wants to know.
async function knock(domain, token) {
  const stream = new Stream(domain);
  await stream.features();
  if (token) await ask(stream, "set", element(NS.invitation, "preauth", { token }));
  const query = (await ask(stream, "get", element(NS.register, "query"))).querySelector("query");
  const fields = Object.fromEntries(
    [...query.getElementsByTagNameNS(NS.form, "field")].map((field) => [
      field.getAttribute("var"),
      field.querySelector("value")?.textContent,
    ]),
  );
  const [picture] = query.getElementsByTagNameNS(NS.bits, "data");
  if (!picture && !query.querySelector("password")) throw new Problem("closed");
  const known = Boolean(query.querySelector("registered"));
  const asked = { challenge: fields.challenge, reason: REASON in fields, picture: picture && { type: picture.getAttribute("type"), data: picture.textContent } };
  if (known && at("intro")) {
    // With open registration ejabberd 26.07 wants a picture for a new password as well, but shows one to strangers only: to us, as one.
    const stranger = await knock(domain);
    stranger.stream.close();
    Object.assign(asked, { challenge: stranger.challenge, picture: stranger.picture });
  }
  return { stream, domain, known, ...asked };
}

async function enter(door, name, password, { digits, answer, reason }) {
  let children;
  if (door.challenge) {
    const fields = { FORM_TYPE: NS.register, username: name, password, challenge: door.challenge, ocr: digits, ...(answer && { qa: answer }), ...(door.reason && { [REASON]: reason }) };
    const form = Object.entries(fields).map(([key, value]) => element(NS.form, "field", { var: key }, element(NS.form, "value", {}, value)));
    children = [element(NS.form, "x", { type: "submit" }, ...form)];
  } else {
    children = Object.entries({ username: name, password }).map(([key, value]) => element(NS.register, key, {}, value));
  }
  await ask(door.stream, "set", element(NS.register, "query", {}, ...children));
}

let invitation = null; // {kind, name, domain, token, uri, shared} from what follows the # in the address
let door = null; // what knock() returned, for the attempt at hand

// Where the visitor has answered, or is to answer: the operator's question (xmpp_registration_question), if there is one, or the picture.
const solution = () => at(at("answer")?.value.trim() ? "answer" : "digits");

// What is to be filled in next, once the server has asked.
const question = () => (door?.reason && !at("reason").value.trim() ? at("reason") : solution());

const domain = () => invitation?.domain || at("domain").value;
const label = (name) => {
  at("proceed").textContent = said(name);
};

function readInvitation() {
  let uri;
  try {
    uri = decodeURIComponent(location.hash.slice(1));
  } catch {
    return null; // a % with no number behind it
  }
  const parts = /^(?:([^@?]+)@)?([a-z0-9.-]+)\?(register|roster);preauth=([\w-]+)/.exec(uri);
  return parts && { name: parts[1] || "", domain: parts[2], kind: parts[3], token: parts[4], uri: `xmpp:${uri}`, shared: parts[4].startsWith("workshop-") };
}

async function draw(picture) {
  const image = await createImageBitmap(new Blob([fromBase64(picture.data)], { type: picture.type }));
  Object.assign(at("drawing"), { width: image.width, height: image.height });
  at("drawing").getContext("2d").drawImage(image, 0, 0);
}

// Asks the server what it wants to know, and shows its picture if it has one.
async function begin() {
  door?.stream.close();
  door = null;
  door = await knock(domain(), invitation?.token);
  const { picture } = door;
  if (picture) await draw(picture);
  showQuestions(Boolean(picture));
  at("digits").value = "";
  if (picture) question().focus();
  if (picture) label("make");
}

// The picture, and the sentence if the server asks for one: it does so of strangers alone.
function showQuestions(yes) {
  show("picture", yes);
  at("picture").disabled = !yes;
  if (!at("reason")) return;
  show("reason-part", yes && door.reason);
  at("reason").disabled = !(yes && door.reason);
}

function leave() {
  door.stream.close();
  showQuestions(false);
  door = null;
  label("proceed");
}

async function submit() {
  if (!door || door.domain !== domain()) {
    await begin();
    if (door.challenge) return; // the visitor reads the picture first
  }
  // A stream is closed by the server after some time; the picture is good for two minutes on any.
  if (!door.stream.isOpen) {
    const { challenge, reason } = door;
    door = { ...(await knock(domain(), invitation?.token)), challenge, reason };
  }
  const name = at("name").value;
  const digits = at("digits").value;
  const answer = at("answer")?.value.trim();
  const reason = at("reason")?.value;
  try {
    await enter(door, name, at("password").value, { digits, answer, reason });
  } catch (problem) {
    // A picture is good for one answer, its own or that to the question. Who has to wait gets the next one afterwards.
    if (problem instanceof Problem && problem.message === "full") leave();
    else if (problem instanceof Problem && !["invitation", "reason"].includes(problem.message)) await begin();
    throw !digits && problem instanceof Problem && problem.message === "picture" ? new Problem("answer") : problem;
  }
  finish(`${name}@${domain()}`, door);
}

function finish(address, { known, reason }) {
  door.stream.close();
  at("register").remove(); // and the password with it
  for (const id of ["invited", "reset", "intro", "uninvited"]) at(id)?.remove();
  if (known) at("done-title").textContent = said("changed");
  if (reason) {
    at("done-title").textContent = said("waits");
    show("done-waits");
    show("done-next", false);
  }
  at("address").textContent = address;
  at("done-open").href = `xmpp:${encodeURIComponent(address).replace("%40", "@")}`;
  show("done");
  at("done").focus();
  history.replaceState(null, "", location.pathname); // the invitation is used up
}

// Runs an action with the form locked, and says what went wrong.
async function attempt(action) {
  at("problem").textContent = "";
  at("register").inert = true;
  try {
    await action();
  } catch (problem) {
    at("problem").textContent = problem instanceof Problem ? problem.sentence : said("server");
  } finally {
    if (at("register")) at("register").inert = false;
  }
  if (at("register") && !at("picture").hidden) question().focus();
  at("problem").scrollIntoView({ block: "nearest" }); // a small screen has just gone to the field above it
}

async function scanCode() {
  show("scan", await drawCode(at("code"), location.href));
}

async function start() {
  invitation = readInvitation();
  for (const link of document.querySelectorAll(".languages a")) link.hash = location.hash;
  if (invitation?.kind === "roster") {
    at("inviter").textContent = `${invitation.name}@${invitation.domain}`;
    at("contact-open").href = invitation.uri;
    show("contact");
  } else if (invitation) {
    at("invited-open").href = invitation.uri;
    at("domain").value = invitation.domain;
    if (at("domain").localName === "select") at("domain").disabled = true;
    at("name").value = invitation.name;
    at("name").readOnly = Boolean(invitation.name);
    // Whether it still holds, and whether it is about an account that exists; a picture comes when it is needed.
    await attempt(async () => {
      door = await knock(domain(), invitation.token);
      show(door.known ? "reset" : "invited");
      show(invitation.shared ? "invited-all" : "invited-one");
      if (!door.known && !matchMedia("(pointer: coarse)").matches) scanCode();
      show("register");
      label(door.known ? "set" : door.challenge ? "proceed" : "make");
      if (door.challenge) {
        door.stream.close();
        door = null;
      }
    });
  } else if (at("intro")) {
    show("intro");
    show("register");
  } else {
    show("uninvited");
  }
}

at("register").addEventListener("submit", (event) => {
  event.preventDefault();
  attempt(submit);
});
at("answer")?.addEventListener("input", () => {
  at("digits").required = !at("answer").value.trim();
});
at("another").addEventListener("click", () => attempt(begin));
const rate = newPassword(() => at("name").value);
at("name").addEventListener("input", () => {
  at("name").value = at("name").value.toLowerCase();
  rate();
});
// Another invitation begins anew; the link to the content stays on the page.
window.addEventListener("hashchange", () => {
  if (!at(location.hash.slice(1))) location.reload();
});
start();
