// SPDX-License-Identifier: GPL-3.0-or-later
// Logs in with address and password: SCRAM (RFC 5802, RFC 7677) by the browser's own cryptography. The password is not sent, and not kept.
// Channel binding is no part of it: browsers do not let a page read what it would bind to.
import { Problem, Refusal, Stream, element, fromBase64 } from "/xmpp.js";

const SASL = "urn:ietf:params:xml:ns:xmpp-sasl";
const BIND = "urn:ietf:params:xml:ns:xmpp-bind";
const HASHES = ["SHA-512", "SHA-256", "SHA-1"]; // the last for accounts that came from elsewhere with no other key
const ITERATIONS = { least: 4096, most: 1_000_000 }; // RFC 7677

const utf8 = (text) => new TextEncoder().encode(text);
const toBase64 = (bytes) => btoa(String.fromCharCode(...bytes));
// As ejabberd prepares it (RFC 3454), as far as people type it: what has no width goes, spaces are spaces, a letter is the same however it is composed.
// (Written as an alternation, since some of these join with what stands before them.)
const NOTHING = /\u00ad|\u034f|\u1806|[\u180b-\u180d]|[\u200b-\u200d]|\u2060|[\ufe00-\ufe0f]|\ufeff/g;
const SPACES = /[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]/g;
const prepared = (text) => text.replace(NOTHING, "").replace(SPACES, " ").normalize("NFKC");

async function hmac(hash, key, text) {
  const imported = await crypto.subtle.importKey("raw", key, { name: "HMAC", hash }, false, ["sign"]);
  return new Uint8Array(await crypto.subtle.sign("HMAC", imported, utf8(text)));
}

async function salted(hash, password, salt, iterations) {
  const imported = await crypto.subtle.importKey("raw", utf8(prepared(password)), "PBKDF2", false, ["deriveBits"]);
  const bits = 8 * { "SHA-1": 20, "SHA-256": 32, "SHA-512": 64 }[hash];
  return new Uint8Array(await crypto.subtle.deriveBits({ name: "PBKDF2", hash, salt, iterations }, imported, bits));
}

// "r=…,s=…,i=…" by letters
const parts = (message) => Object.fromEntries(message.split(",").map((part) => [part[0], part.slice(2)]));

async function answer(stream, message, name = "response", attributes = {}) {
  stream.send(element(SASL, name, attributes, toBase64(utf8(message))));
  const said = await stream.read();
  if (said.localName === "failure") {
    // An account that waits to be let in is told so, in the language of this page (mod_xmpp_registration_review.erl).
    const waits = said.getElementsByTagNameNS(SASL, "temporary-auth-failure").length;
    const words = waits ? said.getElementsByTagNameNS(SASL, "text")[0]?.textContent : "";
    throw new Problem(said.getElementsByTagNameNS(SASL, "not-authorized").length ? "wrong" : "server", { words });
  }
  return new TextDecoder().decode(fromBase64(said.textContent));
}

async function authenticate(stream, name, password) {
  const offered = [...(await stream.features()).getElementsByTagNameNS(SASL, "mechanism")].map((one) => one.textContent);
  const hash = HASHES.find((one) => offered.includes(`SCRAM-${one}`));
  if (!hash) throw new Problem("server");
  const nonce = toBase64(crypto.getRandomValues(new Uint8Array(24)));
  const first = `n=${name.replaceAll("=", "=3D").replaceAll(",", "=2C")},r=${nonce}`;
  const challenge = await answer(stream, `n,,${first}`, "auth", { mechanism: `SCRAM-${hash}` });
  const { m, r, s, i } = parts(challenge);
  const iterations = Number(i);
  // An extension (m) must be understood, and none is.
  if (m || !r?.startsWith(nonce) || !s || !(iterations >= ITERATIONS.least && iterations <= ITERATIONS.most)) throw new Problem("server");
  const key = await salted(hash, password, fromBase64(s), iterations);
  const clientKey = await hmac(hash, key, "Client Key");
  const final = `c=biws,r=${r}`;
  const all = `${first},${challenge},${final}`;
  const signature = await hmac(hash, new Uint8Array(await crypto.subtle.digest(hash, clientKey)), all);
  const proof = clientKey.map((byte, index) => byte ^ signature[index]);
  const { v } = parts(await answer(stream, `${final},p=${toBase64(proof)}`));
  // The server knows the key as well, or it is not ours.
  if (v !== toBase64(await hmac(hash, await hmac(hash, key, "Server Key"), all))) throw new Problem("server");
}

async function authenticated(name, domain, password) {
  const stream = new Stream(domain);
  try {
    await authenticate(stream, name, password);
  } catch (problem) {
    stream.close();
    // A stream that ends like this: too many wrong passwords (mod_xmpp_login_throttle.erl).
    throw problem.condition === "policy-violation" ? new Problem("guesses") : problem;
  }
  return stream;
}

// Whether it is the password; a wrong one is a Problem.
export async function check(name, domain, password) {
  (await authenticated(name, domain, password)).close();
}

// A stream on which the account can be asked and told.
export async function login(name, domain, password) {
  const stream = await authenticated(name, domain, password);
  try {
    stream.open();
    await stream.features();
    const resource = element(BIND, "resource", {}, `website-${toBase64(crypto.getRandomValues(new Uint8Array(6))).replace(/\W/g, "")}`);
    const bound = await stream.ask("set", element(BIND, "bind", {}, resource));
    stream.jid = bound.querySelector("jid").textContent;
  } catch (problem) {
    stream.close();
    throw problem instanceof Refusal ? new Problem("shut") : problem; // a banned account
  }
  return stream;
}
