// SPDX-License-Identifier: GPL-3.0-or-later
// Judges a PUT by its slot's token (ejabberd mod_http_upload, external_secret, protocol v1):
// ?v= is the lower-case hex HMAC-SHA256 of "<user>/<random>/<file> <size>".
import crypto from 'crypto';
import fs from 'fs';

const SLOT = /^\/upload\/([0-9a-f]{40}\/[A-Za-z0-9]{40}\/[^\/\x00-\x1f\x7f]{1,255})$/;
const DATA = '/srv/xmpp/upload/data/';

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
    if (typeof token !== 'string' || !/^[0-9a-f]{64}$/.test(token)) {
        return '403';
    }
    const expected = crypto.createHmac('sha256', r.variables.xmpp_upload_secret)
        .update(`${slot[1]} ${length}`).digest('hex');
    if (!equal(expected, token)) {
        return '403';
    }
    try {
        fs.statSync(DATA + slot[1]);
        return '409';
    } catch (e) {
        if (e.code !== 'ENOENT' && e.code !== 'ENOTDIR') {
            return '403';
        }
    }
    const limit = Number(r.variables.xmpp_upload_limit);
    return fits(slot[1].slice(0, 40), Number(length), limit) ? 'ok' : '413';
}

// ejabberd counts when it hands out a slot, and slots do not run out: who collects them first would have no quota. So
// what is sent is added up here, and when the sum passes the limit it is replaced by what really lies on the disk.
function fits(user, length, limit) {
    const sums = ngx.shared.xmpp_upload_sums;
    if (sums.has(user) && sums.incr(user, length) <= limit) {
        return true;
    }
    const sum = stored(DATA + user) + length;
    sums.set(user, sum);
    return sum <= limit;
}

// Returns the bytes below a user's folder: one folder a slot, one file in it.
function stored(folder) {
    let sum = 0;
    list(folder).forEach((slot) => {
        list(`${folder}/${slot}`).forEach((file) => {
            try {
                sum += fs.statSync(`${folder}/${slot}/${file}`).size;
            } catch (e) {
                // removed meanwhile
            }
        });
    });
    return sum;
}

function list(folder) {
    try {
        return fs.readdirSync(folder);
    } catch (e) {
        return [];
    }
}

export default { verdict };
