// SPDX-License-Identifier: GPL-3.0-or-later
// What the scripts of the pages share: the parts of a page, its sentences, and a field for a new password.

export const at = (id) => document.getElementById(id);

export const show = (id, yes = true) => {
  at(id).hidden = !yes;
};

// A sentence of the list that each page with a script brings in its language.
export const said = (name) => at("said").querySelector(`[data-name="${name}"]`).textContent;

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

// A text as a QR code, by the library that ejabberd brings (roles/registration); true when it is there.
export const drawCode = (box, text) =>
  new Promise((resolve) => {
    const library = document.createElement("script");
    library.src = "/qrcode.js";
    library.onload = () => {
      new QRCode(box, { text, width: 200, height: 200, useSVG: true, correctLevel: QRCode.CorrectLevel.M });
      resolve(true);
    };
    library.onerror = () => resolve(false);
    document.head.append(library);
  });

// The checkbox shows what is in the field.
export function showsPassword(checkbox, field) {
  checkbox.addEventListener("change", () => {
    field.type = checkbox.checked ? "text" : "password";
  });
  field.form.addEventListener("reset", () => {
    field.type = "password";
  });
}

// The field for a new password (pages/password.html.j2). Returns what rates it anew when the name has changed.
export function newPassword(name) {
  const field = at("password");
  const rate = () => {
    const bits = field.value ? strength(field.value, name()) : 0;
    const word = bits < 36 ? "weak" : bits < 48 ? "fair" : bits < 65 ? "good" : "strong";
    at("strength").value = bits;
    at("strength-words").value = field.value ? said(word) : "";
    field.setCustomValidity(field.value && word === "weak" ? said("weak") : "");
  };
  field.addEventListener("input", rate);
  showsPassword(at("show"), field);
  at("suggest").addEventListener("click", () => {
    field.value = suggestion();
    at("show").checked = true;
    field.type = "text";
    rate();
  });
  return rate;
}
