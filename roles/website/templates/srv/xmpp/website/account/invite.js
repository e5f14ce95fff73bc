// SPDX-License-Identifier: GPL-3.0-or-later
// The account page: links by which others get an account here (XEP-0401). The server counts them (mod_xmpp_invitations.erl), and says how many are
// left. Without invitations by members (xmpp_inviters) the page has no such part.
import { at, said } from "/page.js";
import { command, field, submission } from "./commands.js";
import { linkRow } from "./links.js";
import { onSubmit } from "./parts.js";

const CREATE = "urn:xmpp:invite#create-account";

export async function load() {
  at("invitations-left").textContent = (await command(CREATE)).querySelector("instructions")?.textContent || "";
}

if (at("invite")) {
  onSubmit("invite", async () => {
    const name = at("invite-name").value.trim().toLowerCase();
    const form = submission(field("username", name), field("roster-subscription", at("invite-contact").checked ? "1" : "0"));
    const answer = await command(CREATE, {}, form);
    const link = answer.querySelector('field[var="landing-url"] > value').textContent;
    at("invitations").prepend(linkRow(link));
    at("invite").querySelector("form").reset();
    await load();
    return said("invited");
  });
}
