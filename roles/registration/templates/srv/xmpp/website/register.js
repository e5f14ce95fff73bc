// SPDX-License-Identifier: GPL-3.0-or-later
// Makes an account, takes an invitation (XEP-0445) or sets a new password by speaking XMPP to the server itself (RFC 7395, XEP-0077):
// its limits and its CAPTCHA (XEP-0158) are the same for this page and for every app. Nothing is stored.
// More than 300 lines: one file, without a build step, is what a browser loads and what anybody can read.
"use strict";
(() => {
  const NS = {
    framing: "urn:ietf:params:xml:ns:xmpp-framing",
    client: "jabber:client",
    register: "jabber:iq:register",
    form: "jabber:x:data",
    bits: "urn:xmpp:bob",
    invitation: "urn:xmpp:pars:0",
    ours: "conexizan:registration",
  };
  const PATIENCE = 20000; // milliseconds until a server that says nothing counts as not reachable
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

  const at = (id) => document.getElementById(id);
  const said = (name) => at("said").querySelector(`[data-name="${name}"]`).textContent;

  // By the name of its sentence, in which # stands for seconds to wait, or with the server's words.
  class Problem extends Error {
    constructor(name, seconds = 60, words = "") {
      super(name);
      this.seconds = seconds;
      this.words = words;
    }

    get sentence() {
      return this.words || said(this.message).replace("#", this.seconds);
    }
  }

  // A browser does not tell why a WebSocket was refused. The same address, asked without wanting one, does.
  async function whyRefused() {
    let seconds;
    try {
      seconds = Number((await fetch("/ws", { cache: "no-store" })).headers.get("Retry-After"));
    } catch {
      // Nobody answers there either.
    }
    return seconds ? new Problem("crowded", seconds) : new Problem("unreachable");
  }

  // ------------------------------------------------------------------------------------------------ XMPP

  function element(namespace, name, attributes = {}, ...children) {
    const made = document.implementation.createDocument(namespace, name).documentElement;
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...children.map((child) => (typeof child === "string" ? child : made.ownerDocument.importNode(child, true))));
    return made;
  }

  class Stream {
    constructor(domain) {
      this.arrived = [];
      this.waiting = null;
      this.socket = new WebSocket(`wss://${location.host}/ws`, "xmpp");
      this.socket.onmessage = (event) => this.take(new DOMParser().parseFromString(event.data, "text/xml").documentElement);
      this.socket.onclose = () => this.take(null);
      this.wasOpen = false;
      this.socket.onopen = () => {
        this.wasOpen = true;
        this.send(element(NS.framing, "open", { to: domain, version: "1.0", "xml:lang": document.documentElement.lang }));
      };
    }

    get isOpen() {
      return this.socket.readyState === WebSocket.OPEN;
    }

    take(stanza) {
      if (this.waiting) this.waiting(stanza);
      else this.arrived.push(stanza);
    }

    send(stanza) {
      this.socket.send(new XMLSerializer().serializeToString(stanza));
    }

    // The next element; a stream that ends, or a silent server, is a Problem.
    async read() {
      let stanza;
      if (this.arrived.length) {
        stanza = this.arrived.shift();
      } else {
        stanza = await new Promise((resolve) => {
          const timer = setTimeout(resolve, PATIENCE, null);
          this.waiting = (value) => {
            clearTimeout(timer);
            resolve(value);
          };
        });
        this.waiting = null;
      }
      if (stanza === null && !this.wasOpen) throw await whyRefused();
      if (stanza === null || stanza.localName === "close") throw new Problem("unreachable");
      if (stanza.localName === "error") throw new Problem("server");
      return stanza;
    }

    async ask(type, payload) {
      const id = crypto.getRandomValues(new Uint32Array(1))[0].toString(36);
      this.send(element(NS.client, "iq", { type, id }, payload));
      for (;;) {
        const answer = await this.read();
        if (answer.localName !== "iq" || answer.getAttribute("id") !== id) continue;
        if (answer.getAttribute("type") === "result") return answer;
        // The server makes a pause for all (mod_xmpp_registration_rate.erl), and says how long in the language of this page.
        if (answer.getElementsByTagNameNS(NS.ours, "full").length) throw new Problem("full", 0, answer.querySelector("error > text").textContent);
        // Refused digits are called "not-allowed" like a refused name, and are told from it, in any language, by this word.
        if (answer.querySelector("error > not-allowed")) throw new Problem(answer.textContent.includes("CAPTCHA") ? "picture" : "reserved");
        // To an invited guest ejabberd 26.07 says "internal-server-error" and, in the text, what it meant.
        const meant = /\{stanza_error,\w+,\w+,'?([a-z-]+)/.exec(answer.textContent);
        const conditions = [meant?.[1], ...[...answer.querySelectorAll("error > *")].map((why) => why.localName)];
        throw new Problem(conditions.map((condition) => MEANING[condition]).find(Boolean) || "server");
      }
    }

    close() {
      this.socket.onclose = null;
      this.socket.close();
    }
  }

  // An open stream, past the invitation if there is one, and what the server wants to know.
  async function knock(domain, token) {
    const stream = new Stream(domain);
    while ((await stream.read()).localName !== "features");
    if (token) await stream.ask("set", element(NS.invitation, "preauth", { token }));
    const query = (await stream.ask("get", element(NS.register, "query"))).querySelector("query");
    const fields = Object.fromEntries(
      [...query.getElementsByTagNameNS(NS.form, "field")].map((field) => [
        field.getAttribute("var"),
        field.querySelector("value")?.textContent,
      ]),
    );
    const [picture] = query.getElementsByTagNameNS(NS.bits, "data");
    if (!picture && !query.querySelector("password")) throw new Problem("closed");
    const known = Boolean(query.querySelector("registered"));
    const asked = { challenge: fields.challenge, picture: picture && { type: picture.getAttribute("type"), data: picture.textContent } };
    if (known && at("intro")) {
      // With open registration ejabberd 26.07 wants a picture for a new password as well, but shows one to strangers only: to us, as one.
      const stranger = await knock(domain);
      stranger.stream.close();
      Object.assign(asked, { challenge: stranger.challenge, picture: stranger.picture });
    }
    return { stream, domain, known, ...asked };
  }

  async function enter(door, name, password, digits) {
    const query = element(NS.register, "query");
    if (door.challenge) {
      const fields = { FORM_TYPE: NS.register, username: name, password, challenge: door.challenge, ocr: digits };
      const form = element(
        NS.form,
        "x",
        { type: "submit" },
        ...Object.entries(fields).map(([key, value]) => element(NS.form, "field", { var: key }, element(NS.form, "value", {}, value))),
      );
      query.append(query.ownerDocument.importNode(form, true));
    } else {
      for (const [key, value] of Object.entries({ username: name, password }))
        query.append(query.ownerDocument.importNode(element(NS.register, key, {}, value), true));
    }
    await door.stream.ask("set", query);
  }

  // ------------------------------------------------------------------------------------------------ passwords

  // Bits, as the server counts them (length times the variety of signs), less what repeats, goes on like abc or 321, or is the name.
  function strength(password, name) {
    const signs = [
      [/[0-9]/, 9],
      [/[a-z]/, 26],
      [/[A-Z]/, 26],
      [/[!-/:-@[-`{-~ ]/, 33],
      [/[^ -~]/, 64],
    ];
    const variety = signs.reduce((sum, [kind, count]) => sum + (kind.test(password) ? count : 0), 0);
    const letters = [...(name ? password.replaceAll(name, "") : password)].map((letter) => letter.codePointAt(0));
    const newOnes = letters.filter((letter, index) => {
      const step = letter - letters[index - 1];
      return index === 0 || (step !== 0 && !(Math.abs(step) === 1 && step === letters[index - 1] - letters[index - 2]));
    });
    return variety ? Math.min(newOnes.length, new Set(letters).size * 2) * Math.log2(variety) : 0;
  }

  // Four words of three syllables, six bits each: 72 bits that can be read out and typed on a phone.
  function suggestion() {
    const syllables = [...crypto.getRandomValues(new Uint8Array(12))].map(
      (byte) => "bdfgklmnprstvwzh"[(byte >> 2) & 15] + "aeiu"[byte & 3],
    );
    return [0, 3, 6, 9].map((start) => syllables.slice(start, start + 3).join("")).join("-");
  }

  // ------------------------------------------------------------------------------------------------ the page

  let invitation = null; // {kind, name, domain, token, uri, shared} from what follows the # in the address
  let door = null; // what knock() returned, for the attempt at hand

  const domain = () => invitation?.domain || at("domain").value;
  const show = (id, yes = true) => {
    at(id).hidden = !yes;
  };
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
    const bytes = Uint8Array.from(atob(picture.data.replace(/\s/g, "")), (letter) => letter.charCodeAt(0));
    const image = await createImageBitmap(new Blob([bytes], { type: picture.type }));
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
    show("picture", Boolean(picture));
    at("picture").disabled = !picture;
    at("digits").value = "";
    if (picture) at("digits").focus();
    if (picture) label("make");
  }

  function leave() {
    door.stream.close();
    door = null;
    show("picture", false);
    at("picture").disabled = true;
    label("proceed");
  }

  function rate() {
    const bits = at("password").value ? strength(at("password").value, at("name").value) : 0;
    const word = bits < 36 ? "weak" : bits < 48 ? "fair" : bits < 65 ? "good" : "strong";
    at("strength").value = bits;
    at("strength-words").value = at("password").value ? said(word) : "";
    at("password").setCustomValidity(at("password").value && word === "weak" ? said("weak") : "");
  }

  async function submit() {
    if (!door || door.domain !== domain()) {
      await begin();
      if (door.challenge) return; // the visitor reads the picture first
    }
    // A stream is closed by the server after some time; the picture is good for two minutes on any.
    if (!door.stream.isOpen) {
      const { challenge } = door;
      door = { ...(await knock(domain(), invitation?.token)), challenge };
    }
    const name = at("name").value;
    try {
      await enter(door, name, at("password").value, at("digits").value);
    } catch (problem) {
      // A picture is good for one answer. Who has to wait gets the next one afterwards.
      if (problem instanceof Problem && problem.message === "full") leave();
      else if (problem instanceof Problem && problem.message !== "invitation") await begin();
      throw problem;
    }
    finish(`${name}@${domain()}`, door.known);
  }

  function finish(address, known) {
    door.stream.close();
    at("register").remove(); // and the password with it
    for (const id of ["invited", "reset", "intro", "uninvited"]) at(id)?.remove();
    if (known) at("done-title").textContent = said("changed");
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
    if (at("register") && !at("picture").hidden) at("digits").focus();
  }

  function scanCode() {
    const library = document.createElement("script");
    library.src = "/qrcode.js";
    library.onload = () => {
      new QRCode(at("code"), { text: location.href, width: 200, height: 200, useSVG: true, correctLevel: QRCode.CorrectLevel.M });
      show("scan");
    };
    document.head.append(library);
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
  at("another").addEventListener("click", () => attempt(begin));
  at("password").addEventListener("input", rate);
  at("name").addEventListener("input", () => {
    at("name").value = at("name").value.toLowerCase();
    rate();
  });
  at("show").addEventListener("change", () => {
    at("password").type = at("show").checked ? "text" : "password";
  });
  at("suggest").addEventListener("click", () => {
    at("password").value = suggestion();
    at("show").checked = true;
    at("password").type = "text";
    rate();
  });
  // Another invitation begins anew; the link to the content stays on the page.
  window.addEventListener("hashchange", () => {
    if (!at(location.hash.slice(1))) location.reload();
  });
  start();
})();
