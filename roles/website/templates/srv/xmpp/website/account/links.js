// SPDX-License-Identifier: GPL-3.0-or-later
// A link to pass on: to copy, and as a QR code.
import { drawCode, said } from "/page.js";

// A row of a list, in a part that says whether it is copied.
export function linkRow(link) {
  const made = document.createElement("li");
  const address = document.createElement("a");
  address.className = "address";
  address.href = address.textContent = link;
  const copy = document.createElement("button");
  copy.type = "button";
  copy.textContent = said("copy");
  copy.setAttribute("aria-label", `${copy.textContent}: ${link}`); // which one, of several
  copy.addEventListener("click", async () => {
    const told = made.closest("#inside > div").querySelector("[role=status]");
    try {
      await navigator.clipboard.writeText(link);
      told.textContent = said("copied");
    } catch {
      getSelection().selectAllChildren(address); // a browser that does not let a page copy
    }
  });
  const code = document.createElement("div");
  code.className = "code";
  code.setAttribute("role", "img");
  code.setAttribute("aria-label", said("code"));
  drawCode(code, link);
  made.append(address, copy, code);
  return made;
}
