// SPDX-License-Identifier: GPL-3.0-or-later
// XMPP over WebSocket (RFC 7395), as far as the pages need it: a stream to this server, and questions on it (RFC 6120). Nothing is stored.
import { said } from "./page.js";

export const NS = {
  framing: "urn:ietf:params:xml:ns:xmpp-framing",
  client: "jabber:client",
  register: "jabber:iq:register",
  form: "jabber:x:data",
  roster: "jabber:iq:roster",
  pubsub: "http://jabber.org/protocol/pubsub",
  owner: "http://jabber.org/protocol/pubsub#owner",
  archive: "urn:xmpp:mam:2",
  pages: "http://jabber.org/protocol/rsm",
};
const PATIENCE = 20000; // milliseconds until a server that says nothing counts as not reachable

// By the name of its sentence, in which # stands for seconds to wait, or with the server's words. Its condition is that of a stream that ended.
export class Problem extends Error {
  constructor(name, { seconds = 60, words = "", condition = "" } = {}) {
    super(name);
    Object.assign(this, { seconds, words, condition });
  }

  get sentence() {
    return this.words || said(this.message).replace("#", this.seconds);
  }
}

// The server says no to a question.
export class Refusal extends Error {
  constructor(answer) {
    super(answer.textContent);
    this.answer = answer;
    this.conditions = [...answer.querySelectorAll("error > *")].map((why) => why.localName);
  }
}

export const fromBase64 = (text) => Uint8Array.from(atob(text.replace(/\s/g, "")), (letter) => letter.charCodeAt(0));

export const randomId = () => crypto.getRandomValues(new Uint32Array(2)).join("-");

export const bare = (jid) => jid.split("/")[0];

export function element(namespace, name, attributes = {}, ...children) {
  const made = document.implementation.createDocument(namespace, name).documentElement;
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children.map((child) => (typeof child === "string" ? child : made.ownerDocument.importNode(child, true))));
  return made;
}

// A browser does not tell why a WebSocket was refused. The same address, asked without wanting one, does.
async function whyRefused() {
  let seconds;
  try {
    seconds = Number((await fetch("/ws", { cache: "no-store" })).headers.get("Retry-After"));
  } catch {
    // Nobody answers there either.
  }
  return seconds ? new Problem("crowded", { seconds }) : new Problem("unreachable");
}

export class Stream {
  constructor(domain) {
    this.domain = domain;
    this.arrived = []; // what belongs to the stream itself, until it is read
    this.waiting = null; // who reads
    this.asked = new Map(); // who waits for an answer, and from whom, by the id of the question
    this.jid = ""; // whose session it is, after a login
    this.over = null; // the Problem that ended the stream, or a promise of it
    this.listeners = new Set(); // told of each stanza that nobody asked for
    this.ended = () => {};
    this.wasOpen = false;
    this.socket = new WebSocket(`wss://${location.host}/ws`, "xmpp");
    this.socket.onmessage = (event) => this.take(new DOMParser().parseFromString(event.data, "text/xml").documentElement);
    this.socket.onclose = () => this.take(null);
    this.socket.onopen = () => {
      this.wasOpen = true;
      this.open();
    };
  }

  // Also after a login, which begins the stream anew.
  open() {
    this.send(element(NS.framing, "open", { to: this.domain, version: "1.0", "xml:lang": document.documentElement.lang }));
  }

  get isOpen() {
    return this.socket.readyState === WebSocket.OPEN;
  }

  take(arrived) {
    const name = arrived?.localName;
    if (!arrived || name === "close" || name === "error") {
      if (this.over) return;
      if (name === "error") this.end(new Problem("server", { condition: arrived.firstElementChild?.localName }));
      else this.end(this.wasOpen ? new Problem("unreachable") : whyRefused());
      this.ended();
    } else if (name === "iq" && this.isAnswer(arrived)) {
      this.asked.get(arrived.getAttribute("id")).tell(arrived);
    } else if (arrived.namespaceURI === NS.client) {
      for (const hear of this.listeners) hear(arrived);
    } else if (this.waiting) {
      this.waiting(arrived);
    } else {
      this.arrived.push(arrived);
    }
  }

  // Whoever waits for something on this stream learns why nothing will come.
  end(problem) {
    this.over = problem;
    for (const { tell } of this.asked.values()) tell(null);
    this.waiting?.(null);
  }

  // Of whom was asked; without an address, that is the account or its server.
  isAnswer(iq) {
    const asked = this.asked.get(iq.getAttribute("id"));
    const from = iq.getAttribute("from") || "";
    if (!asked || !["result", "error"].includes(iq.getAttribute("type"))) return false;
    return asked.to ? from === asked.to : !this.jid || ["", bare(this.jid), this.domain].includes(bare(from));
  }

  send(stanza) {
    this.socket.send(new XMLSerializer().serializeToString(stanza));
  }

  // What somebody waits for; a stream that ends, or a silent server, is a Problem.
  async next(wait, patience = PATIENCE) {
    if (this.over) throw await this.over;
    const arrived = await new Promise((resolve) => {
      const timer = setTimeout(resolve, patience, null);
      wait((value) => {
        clearTimeout(timer);
        resolve(value);
      });
    });
    if (arrived) return arrived;
    throw this.over ? await this.over : new Problem("unreachable");
  }

  // The next element of the stream itself.
  async read() {
    if (this.arrived.length) return this.arrived.shift();
    try {
      return await this.next((resolve) => {
        this.waiting = resolve;
      });
    } finally {
      this.waiting = null;
    }
  }

  async features() {
    for (;;) {
      const arrived = await this.read();
      if (arrived.localName === "features") return arrived;
    }
  }

  // Questions may be asked side by side. Without *to*, the account itself is asked.
  async ask(type, payload, { to, patience } = {}) {
    const id = randomId();
    try {
      const answer = await this.next((tell) => {
        this.asked.set(id, { tell, to });
        this.send(element(NS.client, "iq", { type, id, ...(to && { to }) }, payload));
      }, patience);
      if (answer.getAttribute("type") === "result") return answer;
      throw new Refusal(answer);
    } finally {
      this.asked.delete(id);
    }
  }

  // The server ends the connection, after what it has sent by then (RFC 7395, 3.6): a browser takes it for a fault if that comes later.
  close() {
    const goes = this.isOpen && !this.over;
    this.ended = () => {};
    this.listeners.clear();
    if (!this.over) this.end(new Problem("unreachable"));
    if (goes) this.send(element(NS.framing, "close"));
    setTimeout(() => this.socket.close(), goes ? PATIENCE : 0);
  }
}
