// SPDX-License-Identifier: GPL-3.0-or-later
// The rules for all JavaScript of the project. eslint itself comes from tests/browser/package.json, by script/setup --dev.
"use strict";

const js = require("./.cache/node/node_modules/@eslint/js");

// Names from the outside are listed one by one, as far as a file uses them: a list of all that a browser has contains "name", "event",
// "status" and others, behind which a forgotten declaration would go unseen.
const outside = (...names) => Object.fromEntries(names.map((name) => [name, "readonly"]));

// Templates: what Jinja puts in counts as a name of the same length, so that lines and columns stay. A statement of Jinja is not known
// here; it is reported as wrong syntax.
const jinja = {
  meta: { name: "jinja" },
  preprocess: (text) => [text.replace(/\{\{.*?\}\}/g, (expression) => "jinja".padEnd(expression.length))],
  postprocess: (results) => results.flat(),
};

module.exports = [
  { ignores: [".ansible/", ".cache/", ".venv/"] },
  {
    files: ["**/*.{js,cjs,mjs,js.j2}"],
    linterOptions: { reportUnusedDisableDirectives: "error", reportUnusedInlineConfigs: "error" },
    rules: {
      ...js.configs.recommended.rules,
      eqeqeq: "error",
      "no-var": "error",
      "prefer-const": "error",
    },
  },
  { files: ["**/*.js.j2"], processor: jinja, languageOptions: { globals: outside("jinja") } },
  { files: ["eslint.config.js"], languageOptions: { sourceType: "commonjs" } },
  {
    files: ["roles/registration/templates/srv/xmpp/website/register.js"],
    languageOptions: {
      globals: outside(
        "Blob", "createImageBitmap", "document", "history", "location", "matchMedia", "window",
      ),
    },
  },
  {
    files: ["roles/website/templates/srv/xmpp/website/*.js"],
    languageOptions: {
      globals: outside(
        "atob", "clearTimeout", "crypto", "document", "DOMParser", "fetch", "location", "setTimeout", "WebSocket", "XMLSerializer",
        "QRCode", // of qrcode.js, which a page loads when it has to show a code
      ),
    },
  },
  {
    files: ["roles/website/templates/srv/xmpp/website/account/*.js"],
    languageOptions: {
      globals: outside(
        "Blob", "btoa", "confirm", "crypto", "document", "DOMParser", "getSelection", "location", "navigator", "setTimeout", "TextDecoder", "TextEncoder", "URL", "window",
        "XMLSerializer",
      ),
    },
  },
  {
    files: ["roles/website/moderation/*.js"],
    languageOptions: { globals: outside("document") },
  },
  {
    files: ["roles/webchat/templates/srv/xmpp/website/chat/chat.js.j2"],
    languageOptions: { globals: outside("customElements", "document", "fetch", "HTMLElement", "window") },
  },
  {
    // njs: what a browser or Node.js has is missing there.
    files: ["roles/uploads/templates/etc/nginx/njs/*.js"],
    rules: {
      "no-control-regex": "off", // control characters are what the name of a file must not have
      "no-useless-escape": ["error", { allowRegexCharacters: ["/"] }], // within [ ], where it is not needed but does no harm
    },
  },
];
