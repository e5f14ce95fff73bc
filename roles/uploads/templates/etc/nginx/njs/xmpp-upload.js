// SPDX-License-Identifier: GPL-3.0-or-later
// Judges a PUT by its slot's token, which ejabberd's mod_xmpp_upload made: ?v= is the time until which it is good (seconds since 1970,
// eight hexadecimal digits), and the lower-case hex HMAC-SHA256 of "<user>/<random>/<file> <size> <time>". That module counts what it
// hands out, so nothing is counted here.
import crypto from 'crypto';
import fs from 'fs';

const SLOT = /^\/upload\/(([0-9a-f]{40})\/([A-Za-z0-9]{40})\/([^\/\x00-\x1f\x7f]{1,255}))$/;
const DATA = '/srv/xmpp/upload/data/';
// There while mod_xmpp_upload finds too little room.
const FULL = '/run/ejabberd/uploads-full';

// Takes the same time whichever character differs.
function equal(a, b) {
    let difference = a.length ^ b.length;
    for (let i = 0; i < a.length && i < b.length; i++) {
        difference |= a.charCodeAt(i) ^ b.charCodeAt(i);
    }
    return difference === 0;
}

// Returns 'ok' or the status to refuse with. r.uri is decoded, with ".." resolved by nginx.
function verdict(r) {
    const slot = SLOT.exec(r.uri);
    if (!slot) {
        return '403';
    }
    const length = r.headersIn['Content-Length'];
    if (length === undefined || !/^[0-9]{1,15}$/.test(length)) {
        return '411';
    }
    const token = r.args.v;
    if (typeof token !== 'string' || !/^[0-9a-f]{72}$/.test(token)) {
        return '403';
    }
    const expected = crypto.createHmac('sha256', r.variables.xmpp_upload_secret)
        .update(`${slot[1]} ${length} ${token.slice(0, 8)}`).digest('hex');
    if (!equal(expected, token.slice(8)) || parseInt(token.slice(0, 8), 16) * 1000 < Date.now()) {
        return '403';
    }
    if (exists(DATA + revealed(slot, r.variables.xmpp_upload_secret))) {
        return '409';
    }
    return exists(FULL) ? '507' : 'ok';
}

// Where the file of a link lies, below DATA: the reverse of mod_xmpp_upload's conceal/3.
function revealed(slot, secret) {
    const key = crypto.createHmac('sha256', secret).update(`path ${slot[3]}`).digest('hex');
    let account = '';
    for (let i = 0; i < 40; i++) {
        account += (parseInt(slot[2][i], 16) ^ parseInt(key[i], 16)).toString(16);
    }
    return `${account}/${key.slice(40)}/${slot[4]}`;
}

// The same for a request. Links from before folders were concealed are the path itself; for a file that came later, that leads nowhere.
function place(r) {
    const slot = SLOT.exec(r.uri);
    if (!slot) {
        return 'none';
    }
    const path = revealed(slot, r.variables.xmpp_upload_secret);
    return r.method === 'PUT' || exists(DATA + path) ? path : slot[1];
}

function exists(path) {
    try {
        fs.statSync(path);
        return true;
    } catch (e) {
        if (e.code === 'ENOENT' || e.code === 'ENOTDIR') {
            return false;
        }
        throw e;
    }
}

export default { place, verdict };
