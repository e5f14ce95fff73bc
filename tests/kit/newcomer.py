# SPDX-License-Identifier: GPL-3.0-or-later
"""A newcomer without an account: asks the server for its form, reads the picture, and hands the form in."""

from __future__ import annotations

import math
import re
import secrets
import time
from dataclasses import dataclass
from html import unescape
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

from .erlang import run_in_erlang
from .service import Account, Service
from .stream import CLIENT, Stream

REGISTER = "jabber:iq:register"
ASK_FORM = f"<query xmlns='{REGISTER}'/>"
FORM = "jabber:x:data"
INVITATION = "urn:xmpp:pars:0"
PLAIN = "/register/plain/"  # the page of the server's own form

# A person reads the digits off the picture. Here root asks ejabberd's memory for them, which nobody else can.
_DIGITS = """run([Challenge]) ->
    case ets:lookup(captcha, list_to_binary(Challenge)) of
        [Entry] -> io:put_chars(element(4, Entry));
        [] -> io:put_chars("none")
    end.
"""
# Who made an account is in mod_register's table, how often anybody asked for pictures with who draws them, all else in
# the tables of xmpp_token_bucket.erl (whose secret stays).
_RESET = """run([]) ->
    {atomic, ok} = mnesia:clear_table(mod_register_ip),
    ok = supervisor:terminate_child(ejabberd_sup, ejabberd_captcha),
    {ok, _} = supervisor:restart_child(ejabberd_sup, ejabberd_captcha),
    [ets:select_delete(Table, [{{'_', '$1'}, [{is_integer, '$1'}], [true]}])
        || Table <- [mod_xmpp_login_throttle, mod_xmpp_guard_known, mod_xmpp_reports, mod_xmpp_spam,
                     mod_xmpp_registration_rate, mod_xmpp_registration_lines, mod_xmpp_outgoing, mod_xmpp_rooms,
                     mod_xmpp_invitations, mod_xmpp_newcomers, mod_xmpp_newcomers_people,
                     mod_xmpp_mediated, xmpp_bosh],
        ets:whereis(Table) =/= undefined].
"""
_IS_NEW = """run([User, Host]) ->
    Key = {list_to_binary(User), list_to_binary(Host)},
    io:format("~p", [xmpp_token_bucket:remembers(mod_xmpp_newcomers, Key)]).
"""
# The limit of the service is used up, and lets the next one in after so many seconds.
_FLOOD = """run([Domain, Seconds]) ->
    Table = mod_xmpp_registration_rate,
    Secret = ets:lookup_element(Table, secret, 2),
    PerHour = gen_mod:get_module_opt(list_to_binary(Domain), Table, per_hour),
    Full = erlang:monotonic_time(millisecond)
        + round((PerHour - 1) * 3600000 / PerHour) + list_to_integer(Seconds) * 1000,
    ets:insert(Table, {crypto:mac(hmac, sha256, Secret, term_to_binary(all)), Full}).
"""

# Somebody registers while the table of invitations cannot be read.
_WITHOUT_INVITATIONS = """run([Domain, Name, Password]) ->
    Host = list_to_binary(Domain),
    Rename = fun(From, To) ->
        {updated, _} = ejabberd_sql:sql_query(Host, [<<"ALTER TABLE ", From/binary, " RENAME TO ", To/binary>>])
    end,
    ejabberd_hooks:delete(check_register_user, Host, mod_xmpp_invitations, judge, 60),
    Rename(<<"invite_token">>, <<"invite_token_away">>),
    Source = {16#100, 0, 0, 0, 0, 0, 0, 1},
    mod_register:try_register(list_to_binary(Name), Host, list_to_binary(Password), Source, mod_register),
    Rename(<<"invite_token_away">>, <<"invite_token">>),
    ejabberd_hooks:add(check_register_user, Host, mod_xmpp_invitations, judge, 60).
"""


class Flood:
    """As if strangers had created as many accounts as they may, and the next one can come in so many seconds."""

    def __init__(self, service: Service, seconds: int) -> None:
        self._most = seconds
        self._begin = time.monotonic()
        run_in_erlang(service, _FLOOD, service.domain, str(seconds))

    def minutes(self) -> range:
        """What the server may have told just now, which rounds up, however long it took to get there."""
        least = self._most - (time.monotonic() - self._begin)
        return range(math.ceil(least / 60), math.ceil(self._most / 60) + 1)


def newcomer(name: str = "") -> Account:
    """A name that nobody has, and a password that is strong enough."""
    return Account(name or f"newcomer-{secrets.token_hex(4)}", secrets.token_urlsafe(12))


def reset_limits(service: Service) -> None:
    """Who registered is kept for a while, in memory only; here all that a restart would delete is deleted, in a tenth
    of its time. (nginx's own takes none.)"""
    run_in_erlang(service, _RESET)
    # systemd starts a unit five times in ten seconds, no more: nobody needs that but these tests.
    service.host.check_output("systemctl reset-failed nginx && systemctl restart nginx")


def read_picture(service: Service, challenge: str) -> str:
    """The digits of a picture, or "none" when its time is over."""
    return run_in_erlang(service, _DIGITS, challenge)


@dataclass(frozen=True)
class Form:
    """What the server asks of a newcomer."""

    fields: dict[str, str]
    picture: str  # its type
    registered: bool  # about an account that exists

    @property
    def challenge(self) -> str:
        return self.fields["challenge"]


def ask_form(stream: Stream) -> Form:
    """The form (XEP-0077, XEP-0158) as an app gets it; raises AssertionError if there is none."""
    return read_form(stream.query("get", ASK_FORM))


def read_form(answer: ET.Element) -> Form:
    """What is asked for in the server's answer; raises AssertionError if it has no form."""
    assert answer.get("type") == "result", ET.tostring(answer)
    fields = {field.get("var", ""): field.findtext(f"{{{FORM}}}value", "") for field in answer.iter(f"{{{FORM}}}field")}
    data = answer.find(".//{urn:xmpp:bob}data")
    picture = data.get("type", "") if data is not None else ""
    return Form(fields, picture, answer.find(f".//{{{REGISTER}}}registered") is not None)


def hand_in(stream: Stream, *, language: str = "en", **fields: str) -> ET.Element:
    """The server's answer to a form with just these fields."""
    return stream.query("set", filled_form(**fields), language=language)


def filled_form(**fields: str) -> str:
    inside = "".join(f"<field var='{name}'><value>{escape(value)}</value></field>" for name, value in fields.items())
    return f"<query xmlns='{REGISTER}'><x xmlns='{FORM}' type='submit'>{inside}</x></query>"


def ask_for(service: Service, stream: Stream, account: Account) -> ET.Element:
    """The server's answer to a newcomer who reads the picture."""
    form = ask_form(stream)
    digits = read_picture(service, form.challenge)
    return hand_in(stream, username=account.name, password=account.password, challenge=form.challenge, ocr=digits)


def ask_without_form(stream: Stream, account: Account) -> ET.Element:
    """The server's answer to somebody who knows of no picture (XEP-0077 alone)."""
    fields = f"<username>{account.name}</username><password>{escape(account.password)}</password>"
    return stream.query("set", f"<query xmlns='{REGISTER}'>{fields}</query>")


def show_invitation(stream: Stream, token: str) -> ET.Element:
    """The server's answer to an invitation (XEP-0445)."""
    return stream.query("set", f"<preauth xmlns='{INVITATION}' token='{token}'/>")


def refusal(answer: ET.Element) -> str:
    """Why the server said no, or "" if it did not."""
    error = answer.find(f"{CLIENT}error")
    return "" if error is None else error[0].tag.split("}")[1]


async def plain_form(service: Service) -> str:
    """The form's challenge."""
    page = await service.fetch("GET", f"https://{service.domain}{PLAIN}")
    assert page.status == 200
    found = re.search(r"name='id' value='(\w+)'", page.body.decode())
    assert found is not None
    return found[1]


async def hand_in_plain(service: Service, account: Account, **fields: str) -> str:
    """What the server says to the plain form."""
    data = {
        "username": account.name,
        "host": service.domain,
        "password": account.password,
        "password2": account.password,
    }
    answer = await service.fetch(
        "POST", f"https://{service.domain}{PLAIN}", data=data | fields, headers={"Accept-Language": "en"}
    )
    return unescape(answer.body.decode())


def exists(service: Service, account: Account) -> bool:
    return bool(service.api(("check_account", {"user": account.name, "host": service.domain}))[0] == 0)


def invite(service: Service, user: str = "") -> str:
    """The token of a new invitation."""
    user_argument = {"username": user} if user else {}
    command = "generate_invite_with_username" if user else "generate_invite"
    invitation: dict[str, str] = service.api((command, {"host": service.domain, **user_argument}))[0]
    token = invitation["invite_uri"].partition(";preauth=")[2]
    target = f"{user}@{service.domain}" if user else service.domain
    assert invitation["invite_uri"] == f"xmpp:{target}?register;preauth={token}"
    assert invitation["landing_page"] == f"https://{service.domain}/invite#{target}?register;preauth={token}"
    return token


def register_without_invitations(service: Service, account: Account) -> None:
    """Somebody tries to register while the table of invitations cannot be read, and what refuses that is not there."""
    run_in_erlang(service, _WITHOUT_INVITATIONS, service.domain, account.name, account.password)


def is_newcomer(service: Service, account: Account) -> bool:
    """Whether it reaches few strangers only (mod_xmpp_newcomers)."""
    return run_in_erlang(service, _IS_NEW, account.name, account.domain) == "true"


def wrong(digits: str) -> str:
    return digits[:-1] + str((int(digits[-1]) + 1) % 10)
